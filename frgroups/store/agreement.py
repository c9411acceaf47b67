"""Whether the files of a kept snapshot agree with each other, each of which is as it was written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

# Without these columns the files say nothing; others may be missing.
_NEEDED = {
    "groups": ("customer_group_code", "customer_group_uid", "name"),
    "customers": ("customer_code", "customer_uid"),
    "consents": ("customer_uid",),
    "reads": ("customer_group_uid", "verdict"),
    "memberships": ("customer_group_code", "customer_code"),
}
_UIDS = {"groups": "customer_group_uid", "customers": "customer_uid"}


class DisagreementError(Exception):
    """What a file holds beside what the others say; who knows the folder makes a FileDamagedError of it."""

    def __init__(self, table: str, expected: str, found: str) -> None:
        super().__init__(f"{table}: expected {expected}, found {found}")
        self.file, self.expected, self.found = f"{table}.parquet", expected, found


def check_columns(table: str, schema: pa.Schema) -> None:
    """The columns that are needed are there, and codes are whole numbers."""
    needed = _NEEDED[table]
    if missing := [name for name in needed if schema.names.count(name) != 1]:
        raise DisagreementError(table, f"the columns {', '.join(needed)}", f"not one each of {', '.join(missing)}")
    codes = [name for name in needed if name.endswith("_code")]
    if wrong := [name for name in codes if schema.field(name).type != pa.int32()]:
        raise DisagreementError(table, "codes of type int32", f"{wrong[0]} of type {schema.field(wrong[0]).type}")


def check_uids_of(table: str, columns: pa.Table) -> None:
    """No group and no customer is without a uid."""
    if (uid := _UIDS.get(table)) and (gaps := columns[uid].null_count):
        raise DisagreementError(table, "a uid in every row", f"{gaps} rows without {uid}")


def check_rows(table: str, expected: int, found: int) -> None:
    """There are as many rows as the manifest says."""
    if found != expected:
        raise DisagreementError(table, f"{expected} rows, as the manifest says", f"{found} rows")


def check_codes(group_code: pa.ChunkedArray, customer_code: pa.ChunkedArray, n_groups: int, n_customers: int) -> None:
    """Every membership points at a group and a customer that is there, in order, none twice."""
    if gaps := group_code.null_count + customer_code.null_count:
        raise DisagreementError("memberships", "a code in every row", f"{gaps} without")
    groups, customers = group_code.to_numpy(), customer_code.to_numpy()
    for name, codes, n in (("customer_group_code", groups, n_groups), ("customer_code", customers, n_customers)):
        if len(codes) and not 0 <= codes.min() <= codes.max() < n:
            raise DisagreementError("memberships", f"{name} from 0 to below {n}", f"{codes.min()} to {codes.max()}")
    same_group = groups[1:] == groups[:-1]
    if (groups[1:] < groups[:-1]).any() or (same_group & (customers[1:] <= customers[:-1])).any():
        raise DisagreementError("memberships", "rising codes", f"{len(np.unique(groups))} groups in another order")
