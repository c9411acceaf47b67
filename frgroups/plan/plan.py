"""The Plan class, which contains the membership changes for one tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from frgroups.plan.customer_findings import CustomerFindings, customer_findings
from frgroups.plan.customer_origin import CustomerOrigin
from frgroups.plan.exclusions import ExcludedChange, excluded_table
from frgroups.plan.finding import Finding, Marks, sort_rules
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limits import Limits
from frgroups.plan.listed_group import ListedGroup
from frgroups.plan.modes import GroupModes, Mode, mode_of, select_modes
from frgroups.plan.moves import moves_table
from frgroups.plan.plan_findings import plan_findings
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
    Membership changes for one tenant, which are reviewed before they are sent.

    A plan is immutable. The functions `plan_memberships` and `plan_undo` create plans.

    Attributes
    ----------
    tenant_uid : str
        Uid of the tenant.
    base_url : str or None
        Host of the tenant. A plan without a host cannot be applied.
    mode : {"add", "remove", "keep_only", "mirror"} or dict
        Mode that was passed to `plan_memberships`. If the groups have different modes, this is a dictionary that maps
        each group uid to its mode.
    limits : Limits
        Maximum changes.
    groups : tuple
        Planned change of each group, sorted by uid. Use `table()` to get the changes as a DataFrame.
    planned_at : datetime
        Time when the plan was created.
    snapshot_taken_at : datetime
        Time when the snapshot was taken.
    notes : tuple of Finding
        Findings about how each group was read. If the plan was loaded from a file, `notes` also contains the findings
        about customers.
    reverts : str or None
        Digest of the plan that this plan undoes.
    partial_undo : bool
        True if the plan undoes only some of the changes, because `select` left out the other changes.
    excluded_changes : tuple
        Requested changes that the plan leaves out. Use `excluded()` to get them as a DataFrame.
    listed_groups : tuple
        Numbers of members and listed customers of each desired group, including groups without changes.
    snapshot : Snapshot or None
        The snapshot that the plan was created from. None for a plan that was read from a file.
    register : pandas.DataFrame or None
        The rows of the register, matched with the groups of the tenant.
    path : Path or None
        The file that the plan was read from.
    stored_facts : pandas.DataFrame or None
        The customer attributes in the plan file.
    stored_marks : mapping
        Uids of the customers who are affected by findings in the plan file.
    purpose : str
        Reason for the change.
    origins : mapping
        Origins of the desired customers by group uid, for example a list. Empty for an undo plan.
    limit_places : mapping
        File, table, and key of the declared limits, keyed by group uid.

    Notes
    -----
    The digest covers the content that affects the result: tenant, host, order of the operations, limits, and
    creations. For each group that the plan changes, it covers the mode, the operations, and the number and hash of
    the members. If the plan undoes another plan, the digest also covers `reverts` and `partial_undo`. Two plans with
    the same content have the same digest, even if they were created at different times. The digest does not cover the
    purpose, the origins, the excluded changes, or the limits and modes of unchanged groups, because they do not
    affect the requests.

    Examples
    --------
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-1", "c-2", "c-7"]})
    >>> plan.table().to_dict("records")
    [{'customer_group_uid': 'vip', 'customer_uid': 'c-7', 'change': 'add', 'finding': ''}]
    """

    tenant_uid: str
    base_url: str | None
    mode: GroupModes
    limits: Limits
    groups: tuple[GroupChange, ...]
    planned_at: datetime
    snapshot_taken_at: datetime
    notes: tuple[Finding, ...] = ()
    reverts: str | None = None
    partial_undo: bool = False
    excluded_changes: tuple[ExcludedChange, ...] = ()
    listed_groups: tuple[ListedGroup, ...] = ()
    snapshot: Snapshot | None = field(default=None, repr=False)
    register: pd.DataFrame | None = field(default=None, repr=False)
    path: Path | None = None
    stored_facts: pd.DataFrame | None = field(default=None, repr=False)
    stored_marks: Marks = field(default_factory=dict, repr=False)
    purpose: str = ""
    origins: Mapping[str, tuple[CustomerOrigin, ...]] = field(default_factory=dict, repr=False)
    limit_places: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def digest(self) -> str:
        """
        Identifier of the plan, as 64 hexadecimal digits.

        The first 12 digits of the digest are sufficient to approve the plan.
        """
        content: dict[str, Any] = {
            "tenant_uid": self.tenant_uid,
            "base_url": self.base_url,
            "mode": select_modes(self.mode, [group.uid for group in self.groups]),
            "order": OPERATION_ORDER,
            "limits": self.limits.for_groups(group.uid for group in self.groups).to_dict(),
            "create": {group.uid: group.name for group in self.groups if group.create},
            "groups": [group.digest_payload() for group in self.groups],
        }
        if self.reverts is not None:
            # Applying an undo plan marks the plan in `reverts` as undone. Therefore, the digest must cover `reverts`.
            content["reverts"] = self.reverts
        if self.partial_undo:
            content["partial_undo"] = True
        return sha256(canonical_json(content))

    def mode_of(self, group_uid: str) -> Mode:
        """
        Return the mode of a group.

        Parameters
        ----------
        group_uid : str
            Uid of a group that the plan changes or that was passed to `plan_memberships`.

        Returns
        -------
        str
            "add", "remove", "keep_only", or "mirror".

        Examples
        --------
        >>> plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, mode={"VIP": "mirror"}).mode_of("vip")
        'mirror'
        """
        return mode_of(self.mode, group_uid)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """
        Facts and problems that the reviewer must see.

        Findings that block the plan come before all other findings.
        """
        return plan_findings(self)

    @cached_property
    def planning_findings(self) -> tuple[Finding, ...]:
        """
        Findings that were computed from the snapshot.

        When the plan is saved, these findings are stored as notes in the plan file.
        """
        return (*self.notes, *self._customer_findings.findings)

    @property
    def finding_marks(self) -> Marks:
        """Uids of the customers who are affected by findings, by group uid and rule."""
        return self._customer_findings.marks

    @cached_property
    def _customer_findings(self) -> CustomerFindings:
        """Findings about customers. If the plan has no snapshot, `notes` contains the findings instead."""
        if self.snapshot is None:
            return CustomerFindings(marks=self.stored_marks)
        return customer_findings(self.snapshot, self.groups, self.register)

    @property
    def snapshot_age(self) -> timedelta:
        """
        Age of the snapshot, which is compared with the limit `snapshot_max_age`.

        If the plan undoes another plan, the age of the snapshot is 0.
        """
        if self.reverts:
            # An undo plan does not depend on the age of the snapshot, because it is based on the members that were
            # read after the original plan was applied.
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
        """True if the plan contains no changes."""
        return not self.groups

    def table(self) -> pd.DataFrame:
        """
        Return a table with one row per addition or removal.

        Returns
        -------
        pandas.DataFrame
            Columns customer_group_uid, customer_uid, change ("add" or "remove") and finding, all `str`. `finding`
            contains the rules of the findings about this customer, separated by commas, for example
            "withdrawn_consent, other_type", or "" if there is none. Findings about a complete group or plan are
            only in `findings`. Rows are in the order of the groups. Additions come before removals.

        See Also
        --------
        Plan.requests : The requests that `apply_plan` sends.

        Examples
        --------
        >>> plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).table()
          customer_group_uid customer_uid change finding
        0                vip          c-7    add
        """
        rows = []
        for group in self.groups:
            rules = _rules_by_customer({"unknown_customers": group.unknown, **self.finding_marks.get(group.uid, {})})
            rows += [(group.uid, uid, change, rules.get(uid, "")) for uid, change in group.items()]
        return pd.DataFrame(rows, columns=TABLE_COLUMNS, dtype="str")

    def excluded(self) -> pd.DataFrame:
        """
        Return a table with one row per requested change that the plan leaves out.

        Returns
        -------
        pandas.DataFrame
            Columns customer_group_uid, customer_uid, change ("add" or "remove") and reason, all `str`. Rows are in
            the order of the groups. The reason is "protected customer", "protected group", "suppression list", or
            "holdout". For an entry in the suppression list, the source follows in parentheses, the end after
            "until", and the note after a colon, for example "holdout until 2026-12-31: spring campaign".

        Examples
        --------
        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, mode="mirror", protect=["c-1"])
        >>> plan.excluded().to_dict("records")
        [{'customer_group_uid': 'vip', 'customer_uid': 'c-1', 'change': 'remove', 'reason': 'protected customer'}]
        """
        return excluded_table(self.excluded_changes)

    def moves(self) -> pd.DataFrame:
        """
        Return a table of the customers who leave one group and join another.

        When the plan is applied, moving customers are first added to their new groups. They are removed from their
        old groups only after the additions have been verified.

        Returns
        -------
        pandas.DataFrame
            Columns customer_uid, from_group, to_group, from_name, and to_name, all `str`. Rows are sorted by the
            first three columns. There is one row per pair of groups, so a customer who leaves two groups and joins
            three groups has six rows.

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
        Estimated number of requests and estimated duration of an apply run without errors.

        Use `str(plan.request_estimate)` to format the estimate as a sentence.

        Examples
        --------
        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
        >>> estimate = plan.request_estimate
        >>> estimate.n_before, estimate.n_write, estimate.n_after, estimate.n_requests
        (2, 1, 1, 4)
        """
        # Groups with both additions and removals are also read between the two, to verify the additions before the
        # removals are sent.
        mirrored = {group.uid for group in self.groups if group.add and group.remove}
        arriving = {*self._moves["to_group"], *mirrored}
        return estimate_requests(self.groups, n_write=len(self.requests()), arriving=arriving)

    def customer_facts(self) -> pd.DataFrame | None:
        """
        Return a table with attributes of the added and removed customers, without names and contact data.

        Returns
        -------
        pandas.DataFrame or None
            Columns external_id, customer_type, default_store, pricelist_uid, and groups_now, all `str`, with the
            index customer_uid. Missing values are empty strings. The attributes come from the snapshot or from the
            plan file. The result is None if neither contains them. For an undo plan, groups_now is empty.

        Examples
        --------
        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
        >>> plan.customer_facts()["groups_now"].to_dict()
        {'c-7': 'All members'}
        """
        touched = dict.fromkeys(uid for group in self.groups for uid, _ in group.items())
        if self.snapshot is not None:
            return customer_facts(self.snapshot, touched)
        if self.stored_facts is not None:
            return self.stored_facts[self.stored_facts.index.isin(touched)]
        return None

    def summary(self) -> str:
        """
        Describe the plan as plain text.

        Returns
        -------
        str
            Lines with the purpose, the change of each group, the moves, the mode, the customers who do not change
            because of the mode, the findings, the tenant, and the requests.

        Examples
        --------
        >>> print(plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).summary().splitlines()[0])
        1 customer joins VIP (2 -> 3 members).
        """
        return plan_summary(self)

    def payloads(self) -> list[dict[str, Any]]:
        """
        Return the complete change of each group in the API's request format.

        Returns
        -------
        list of dict
            One request body per group with additions or removals, sorted by group uid.

        See Also
        --------
        Plan.requests : The requests that `apply_plan` sends. They contain smaller parts of these changes.

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
        Return the write requests in the order in which they are sent.

        The requests that create groups come first. All additions are sent before the first removal.

        Parameters
        ----------
        chunk : int, default 200
            Maximum number of customer uids per request.

        Returns
        -------
        list of dict
            The keys "method", "path" and "body" of each request.

        Raises
        ------
        InputError
            `chunk` is not a positive integer.

        Examples
        --------
        >>> [request] = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).requests()
        >>> request["method"], request["body"]
        ('PUT', {'addCustomerUids': ['c-7']})
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
        Return a snapshot of the memberships after the plan has been applied.

        The analysis functions accept this snapshot, so the effect of a plan can be measured before it is applied.

        Returns
        -------
        Snapshot
            All groups of the tenant. For a plan that was read from a file, only the groups that the plan changes.

        Examples
        --------
        >>> plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).preview()["vip"].tolist()
        ['c-1', 'c-2', 'c-7']
        """
        # If the clocks of the server and the client differ, `planned_at` can be earlier than the snapshot.
        # Use the later time, so that the preview is not older than the snapshot.
        taken_at = max(self.planned_at, self.snapshot_taken_at)
        if self.snapshot is not None:
            return preview_snapshot(self.snapshot, self.groups, taken_at=taken_at)
        return preview_touched(self.groups, tenant_uid=self.tenant_uid, taken_at=taken_at, base_url=self.base_url)

    def select(self, groups: Iterable[str] | None = None, *, without: Iterable[str] = ()) -> Plan:
        """
        Return a plan that contains only the selected changes.

        The new plan has the digest of a plan that was created with only the selected changes. It also contains the
        excluded changes of the selected groups.

        If some changes of an undo plan are selected, the new plan is a partial undo. After a partial undo, the
        original plan is not undone and can be undone again, but its run cannot be resumed.

        Parameters
        ----------
        groups : iterable of str, optional
            Groups to select, by uid or unique name. None selects all groups.
        without : iterable of str, optional
            Groups to leave out, by uid or unique name, and customers to leave out, by uid.

        Returns
        -------
        Plan
            The smaller plan. A plan that was read from a file has no snapshot, so its findings about customers are
            not computed again.

        Raises
        ------
        InputError
            A group or customer is not in the plan.

        Examples
        --------
        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7", "c-8"], "staff": ["c-9"]})
        >>> plan.select(["vip"], without=["c-8"]).table()["customer_uid"].tolist()
        ['c-7']
        """
        return select_changes(self, groups, without)

    def save(self, path: str | Path) -> Path:
        """
        Save the plan to a file.

        The file is written atomically. It contains the member uids of the changed groups, so keep the file private
        and send the review page instead. The file also contains the customer attributes that the review page shows.
        The digest does not cover these attributes.

        Parameters
        ----------
        path : str or Path
            Path of the file. Missing folders are created, and an existing plan file is replaced.

        Returns
        -------
        Path
            The absolute path of the file.

        Raises
        ------
        InputError
            The file cannot be written, or the path is an existing file that is not a plan.

        Examples
        --------
        >>> plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).save(home() / "vip.plan.json").name
        'vip.plan.json'
        """
        from frgroups.plan.plan_file import save_plan  # plan_file imports this module.

        return save_plan(self, path)

    def __repr__(self) -> str:
        return plan_repr(self)

    def _repr_html_(self) -> str:
        return plan_card(self).html()


def _rules_by_customer(uids_by_rule: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the rules of the findings about each customer as one string, keyed by customer uid."""
    rules: dict[str, str] = {}
    for rule in sort_rules(uids_by_rule):
        for uid in uids_by_rule[rule]:
            rules[uid] = f"{rules[uid]}, {rule}" if uid in rules else rule
    return rules
