"""Which consents there are, and what each customer last said to each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.snapshot import Snapshot

Mask = npt.NDArray[np.bool_]

# In this order the last of several rows of one moment is the most cautious.
GIVEN, UNTOLD, WITHDRAWN, NONE = range(4)


@dataclass(frozen=True, eq=False)
class Consent:
    """One consent of a tenant; `said` is GIVEN, WITHDRAWN, UNTOLD (asked, without a status) or NONE, per customer."""

    uid: str
    name: str
    said: npt.NDArray[np.int8]

    @property
    def given(self) -> Mask:
        """Who gives this consent, in the order of the customers."""
        given: Mask = self.said == GIVEN
        return given


def consents_of(snapshot: Snapshot) -> list[Consent]:
    """
    The consents that any customer of the snapshot was asked for, in uid order.

    Where a customer has several rows for one consent, the newest counts; one without a date is older than all.
    Among rows of one moment a withdrawal counts, so that reach is never told too large. A consent without a uid
    goes by its name.

    >>> [(consent.uid, consent.name, int(consent.given.sum())) for consent in consents_of(sample_snapshot())]
    [('newsletter', 'Newsletter', 150)]
    """
    rows = snapshot.consents
    name = rows["name"].where(rows["name"] != "")
    told = pd.DataFrame(
        {
            "uid": rows["consent_uid"].where(rows["consent_uid"] != "").fillna(name),
            "name": name,
            "at": rows["created_at"],
            "customer": snapshot.codes.customer_uids.get_indexer(pd.Index(rows["customer_uid"])),
            "said": _said(rows["status"]),
        }
    )
    told = told[(told["customer"] >= 0) & told["uid"].notna()]
    told = told.sort_values(["uid", "at", "said"], na_position="first", kind="stable")
    return [_consent(str(uid), own, len(snapshot.customers)) for uid, own in told.groupby("uid", sort=True)]


def _said(status: pd.Series) -> npt.NDArray[np.int8]:
    said = np.where(status.fillna(False).to_numpy(dtype=np.bool_), GIVEN, WITHDRAWN)
    return np.where(status.isna(), UNTOLD, said).astype(np.int8)


def _consent(uid: str, rows: pd.DataFrame, n_customers: int) -> Consent:
    newest = rows.drop_duplicates("customer", keep="last")
    said = np.full(n_customers, NONE, dtype=np.int8)
    said[newest["customer"]] = newest["said"]
    names = rows["name"].dropna()
    return Consent(uid, str(names.iloc[-1]) if len(names) else uid, said)
