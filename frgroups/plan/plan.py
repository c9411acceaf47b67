"""Plan: the changes for one tenant, as a value with a digest, for review before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.api.schema.codec import membership_payload
from frgroups.internals.checksummed_json import canonical_json, sha256
from frgroups.internals.validation import check_number
from frgroups.plan.customer_facts import customer_facts
from frgroups.plan.exclusions import ExcludedChange, excluded_table
from frgroups.plan.finding import Finding
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.modes import Mode
from frgroups.plan.moves import moves_table
from frgroups.plan.plan_findings import plan_findings, planning_findings
from frgroups.plan.plan_selection import select_changes
from frgroups.plan.plan_summary import plan_card, plan_repr, plan_summary
from frgroups.plan.preview import preview_snapshot, preview_touched
from frgroups.plan.request_estimate import CHUNK, RequestEstimate, estimate_requests
from frgroups.snapshot.snapshot import Snapshot

OPERATION_ORDER = "add_first"
TABLE_COLUMNS = ["customer_group_uid", "customer_uid", "change", "finding"]


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """
    The changes for one tenant, sorted and complete. `plan_memberships` and `plan_undo` create plans.

    The digest covers the content that affects the result: tenant, host, mode, order, limits, creations, operations,
    and the number and hash of each touched group's members. If the tenant and the desired memberships are the same,
    the digest is the same, whenever the plan is created. The digest does not cover the limits of groups that the plan
    does not touch, the excluded changes, and the purpose, because they do not affect what is sent.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-1", "c-2", "c-7"]})
    >>> plan.table().to_dict("records")
    [{'customer_group_uid': 'vip', 'customer_uid': 'c-7', 'change': 'add', 'finding': ''}]
    """

    tenant_uid: str
    base_url: str | None
    mode: Mode
    limits: Limits
    groups: tuple[GroupChange, ...]
    planned_at: datetime
    snapshot_taken_at: datetime
    notes: tuple[Finding, ...] = ()
    reverts: str | None = None
    excluded_changes: tuple[ExcludedChange, ...] = ()
    snapshot: Snapshot | None = field(default=None, repr=False)
    register: pd.DataFrame | None = field(default=None, repr=False)
    path: Path | None = None
    stored_facts: pd.DataFrame | None = field(default=None, repr=False)
    purpose: str = ""

    @cached_property
    def digest(self) -> str:
        """Identifier of the plan: 64 hex digits, of which the first 12 are sufficient for an approval."""
        content = {
            "tenant_uid": self.tenant_uid,
            "base_url": self.base_url,
            "mode": self.mode,
            "order": OPERATION_ORDER,
            "limits": self.limits.for_groups(group.uid for group in self.groups).to_dict(),
            "create": {group.uid: group.name for group in self.groups if group.create},
            "groups": [group.digest_payload() for group in self.groups],
        }
        return sha256(canonical_json(content))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Facts and problems that the reviewer must see; those that block the plan come first."""
        return plan_findings(self)

    @cached_property
    def planning_findings(self) -> tuple[Finding, ...]:
        """Findings that need the snapshot. A plan that was read from a file has them as notes."""
        return planning_findings(self)

    @property
    def snapshot_age(self) -> timedelta:
        """Age of the snapshot that is compared with the limit `snapshot_max_age`; 0 for an undo."""
        if self.reverts:
            # An undo uses the state that its apply read back. Apply checks how the groups have changed since.
            return timedelta(0)
        return self.planned_at - self.snapshot_taken_at

    @property
    def blocked(self) -> bool:
        """True if a finding prevents the plan from being applied."""
        return any(finding.blocking for finding in self.findings)

    @property
    def n_add(self) -> int:
        """Number of memberships that the plan adds."""
        return sum(len(group.add) for group in self.groups)

    @property
    def n_remove(self) -> int:
        """Number of memberships that the plan removes."""
        return sum(len(group.remove) for group in self.groups)

    @property
    def is_empty(self) -> bool:
        """True if the plan changes nothing."""
        return not self.groups

    def table(self) -> pd.DataFrame:
        """
        Return a table with one row per operation.

        Returns
        -------
        pandas.DataFrame
            Columns customer_group_uid, customer_uid, change ("add" or "remove") and finding ("" if there is none),
            all `str`. Rows are in group order, additions before removals. `requests` returns what is sent.
        """
        rows = [
            (group.uid, uid, change, "not in the snapshot" if uid in group.unknown else "")
            for group in self.groups
            for uid, change in group.items()
        ]
        return pd.DataFrame(rows, columns=TABLE_COLUMNS, dtype="str")

    def excluded(self) -> pd.DataFrame:
        """
        Return a table with one row per requested change that the plan leaves out.

        Returns
        -------
        pandas.DataFrame
            Columns customer_group_uid, customer_uid, change ("add" or "remove") and reason, all `str`, in group
            order. The reason is "protected customer" (`protect`), "protected group" (`protect_groups`) or
            "suppression list" (`suppression_list`, or the tenant's suppression list), followed by a colon and the
            note in that list if there is one.

        Examples
        --------
        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, mode="mirror", protect=["c-1"])
        >>> plan.excluded().to_dict("records")
        [{'customer_group_uid': 'vip', 'customer_uid': 'c-1', 'change': 'remove', 'reason': 'protected customer'}]
        """
        return excluded_table(self.excluded_changes)

    def moves(self) -> pd.DataFrame:
        """
        Return the customers who leave one group and join another.

        When the plan is applied, such a customer is removed only after a read has shown the customer in all groups
        that the customer joins.

        Returns
        -------
        pandas.DataFrame
            Columns customer_uid, from_group, to_group, from_name and to_name, all `str`, sorted by the first three.
            One row per pair of groups: a customer who leaves two groups and joins three has six rows.

        Examples
        --------
        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-2"], "staff": ["c-1", "c-251"]}, mode="mirror")
        >>> plan.moves()[["customer_uid", "from_name", "to_name"]]
          customer_uid from_name to_name
        0          c-1       VIP   Staff
        """
        return self._moves.copy()

    @cached_property
    def _moves(self) -> pd.DataFrame:
        return moves_table(self.groups)

    @cached_property
    def request_estimate(self) -> RequestEstimate:
        """
        Estimated number of requests and duration of an apply without errors. As text it is a sentence.

        Examples
        --------
        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
        >>> estimate = plan.request_estimate
        >>> estimate.n_before, estimate.n_write, estimate.n_after, estimate.n_requests
        (1, 1, 1, 3)
        """
        replaced = {
            group.uid
            for group in self.groups
            if group.replaces_all_members and self.limits.of(group.uid).emptied_groups is not None
        }
        arriving = {*self._moves["to_group"], *replaced}
        return estimate_requests(self.groups, n_write=len(self.requests()), arriving=arriving)

    def customer_facts(self) -> pd.DataFrame | None:
        """
        Return the facts about customers who join or leave, without names and contact data.

        Returns
        -------
        pandas.DataFrame or None
            Columns external_id, customer_type, default_store, pricelist_uid and groups_now by customer_uid, all text,
            "" if unknown. The facts come from the snapshot or from the plan file. None if neither has them. The facts
            of an undo do not contain groups_now.
        """
        touched = dict.fromkeys(uid for group in self.groups for uid, _ in group.items())
        if self.snapshot is not None:
            return customer_facts(self.snapshot, touched)
        if self.stored_facts is not None:
            return self.stored_facts[self.stored_facts.index.isin(touched)]
        return None

    def summary(self) -> str:
        """Return the plan as text: the purpose, a line per group, the moves, the findings and the requests."""
        return plan_summary(self)

    def payloads(self) -> list[dict[str, Any]]:
        """
        Return the whole change of each group as the API's request body, in uid order.

        Examples
        --------
        >>> plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).payloads()
        [{'customerGroupUid': 'vip', 'addCustomerUids': ['c-7'], 'removeCustomerUids': []}]
        """
        return [
            membership_payload(group.uid, group.add, group.remove)
            for group in self.groups
            if group.add or group.remove
        ]

    def requests(self, *, chunk: int = CHUNK) -> list[dict[str, Any]]:
        """
        Return the requests in the order in which they are sent: creations, additions, removals.

        Parameters
        ----------
        chunk
            Maximum number of customer uids per request.
        """
        check_number(chunk, "chunk", at_least=1, whole=True)
        path = f"/tenants/{self.tenant_uid}/customer-groups"
        requests: list[dict[str, Any]] = []
        for group in self.groups:
            if group.create:
                body = {"customerGroupUid": group.uid, "name": group.name}
                requests.append({"method": "POST", "path": path, "body": body})
        additions = [("addCustomerUids", group.uid, group.add) for group in self.groups]
        removals = [("removeCustomerUids", group.uid, group.remove) for group in self.groups]
        for key, group_uid, uids in additions + removals:
            for start in range(0, len(uids), chunk):
                body_of_chunk = {key: list(uids[start : start + chunk])}
                requests.append({"method": "PUT", "path": f"{path}/{group_uid}/customers", "body": body_of_chunk})
        return requests

    def preview(self) -> Snapshot:
        """
        Return the groups as they would be after the plan, as a Snapshot for analysis.

        For a plan that was read from a file, the snapshot contains only the groups that the plan touches.
        """
        # The preview must not be older than the snapshot, even if the clocks of server and client differ.
        taken_at = max(self.planned_at, self.snapshot_taken_at)
        if self.snapshot is not None:
            return preview_snapshot(self.snapshot, self.groups, taken_at=taken_at)
        return preview_touched(self.groups, tenant_uid=self.tenant_uid, taken_at=taken_at, base_url=self.base_url)

    def select(self, groups: Iterable[str] | None = None, *, without: Iterable[str] = ()) -> Plan:
        """
        Return a smaller plan, which has its own digest.

        The digest is that of a plan that was made for these changes only. The excluded changes of the selected groups
        remain. A plan that was read from a file has no snapshot, so its findings about customers are not recomputed.

        Parameters
        ----------
        groups
            Groups to keep, by uid or unique name; None keeps all.
        without
            Groups or customers to leave out, by uid or unique name.

        Raises
        ------
        InputError
            A group or customer is not part of the plan.
        """
        return select_changes(self, groups, without)

    def save(self, path: str | Path) -> Path:
        """
        Write the plan file atomically and return its absolute path.

        The file contains the member uids of the touched groups, so keep it private and send the review page instead.
        It also contains the facts about customers that the page shows. The digest does not cover them.
        """
        from frgroups.plan.plan_file import save_plan  # plan_file imports this module.

        return save_plan(self, path)

    def __repr__(self) -> str:
        return plan_repr(self)

    def _repr_html_(self) -> str:
        return plan_card(self).html()
