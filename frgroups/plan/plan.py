"""Plan: what would be sent to a tenant, as a value with a digest that a person can read before it happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from frgroups.api.schema.codec import membership_payload
from frgroups.errors import InputError
from frgroups.internals.checksummed_json import canonical_json, sha256, write_checksummed
from frgroups.internals.formatting import pluralize
from frgroups.internals.html import Card
from frgroups.internals.tombstones import count_tombstones
from frgroups.internals.validation import as_list
from frgroups.plan.customer_facts import customer_facts, facts_to_dict
from frgroups.plan.customer_findings import plan_findings
from frgroups.plan.exclusions import ExcludedChange, excluded_table, exclusion_findings, of_groups, remove_from_note
from frgroups.plan.group_change import GroupChange, without_customer
from frgroups.plan.limits import Finding, Limits, limit_violations
from frgroups.plan.moves import format_moves, moves_table
from frgroups.plan.preview import preview_snapshot, preview_touched
from frgroups.plan.request_estimate import CHUNK, RequestEstimate, estimate_requests
from frgroups.plan.uid_table import CodedUids
from frgroups.snapshot.snapshot import Snapshot

Mode = Literal["add", "keep_only", "mirror"]
MODES: tuple[Mode, ...] = ("add", "keep_only", "mirror")
# Earlier names, for the error that names the current one.
RENAMED_MODES = {"add_only": "add", "remove_only": "keep_only"}
ORDER = "add_first"
_OF_ALL = "So it was of all groups of that plan."
TABLE_COLUMNS = ["customer_group_uid", "customer_uid", "change", "finding"]


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """
    What would be sent to one tenant, sorted and complete; made by `plan_memberships` and `plan_undo`.

    The digest covers the meaning: tenant, host, mode, order, limits, creations, operations, and the count and
    hash of each touched group's members. The same world plans to the same digest, whenever it is planned. Limits of
    groups that the plan does not touch, what is held back, and the purpose are not in it: nothing that is sent hangs
    on them.

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
    excluded: tuple[ExcludedChange, ...] = ()
    snapshot: Snapshot | None = field(default=None, repr=False)
    register: pd.DataFrame | None = field(default=None, repr=False)
    path: Path | None = None
    known: pd.DataFrame | None = field(default=None, repr=False)
    purpose: str = ""

    @cached_property
    def digest(self) -> str:
        """64 hex digits that stand for this plan; its first 12 are enough to approve it."""
        return sha256(
            canonical_json(
                {
                    "tenant_uid": self.tenant_uid,
                    "base_url": self.base_url,
                    "mode": self.mode,
                    "order": ORDER,
                    "limits": self.limits.for_groups(group.uid for group in self.groups).to_dict(),
                    "create": {group.uid: group.name for group in self.groups if group.create},
                    "groups": [group.digest_payload() for group in self.groups],
                }
            )
        )

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What a reviewer must know: broken limits (blocking) first, then the rest."""
        # An undo stands on the reading back of its own apply; how the group changed since is seen by apply.
        age = timedelta(0) if self.reverts else self.planned_at - self.snapshot_taken_at
        broken = limit_violations(self.limits, [group.counts for group in self.groups], snapshot_age=age)
        return (
            *self._forgotten(),
            *broken,
            *(group.unknown_finding() for group in self.groups if group.unknown),
            *exclusion_findings(self.excluded),
            *self._told,
        )

    @cached_property
    def _told(self) -> tuple[Finding, ...]:
        """The notes, and what the snapshot and the register tell of these changes; in a plan file all are notes."""
        if self.snapshot is None:
            return self.notes
        return (*self.notes, *plan_findings(self.snapshot, self.groups, self.register))

    @property
    def blocked(self) -> bool:
        """Whether a limit keeps this plan from being applied."""
        return any(finding.blocking for finding in self.findings)

    @property
    def n_add(self) -> int:
        """Memberships that the plan adds."""
        return sum(len(group.add) for group in self.groups)

    @property
    def n_remove(self) -> int:
        """Memberships that the plan removes."""
        return sum(len(group.remove) for group in self.groups)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.groups

    def table(self) -> pd.DataFrame:
        """
        A row per planned operation: customer_group_uid, customer_uid, change ("add" | "remove"), finding; all `str`.

        In group order, adds before removes. `finding` is "" where there is none. What is sent, in order and in
        chunks, is in `requests`.
        """
        rows = [
            (group.uid, uid, change, "not in the snapshot" if uid in group.unknown else "")
            for group in self.groups
            for uid, change in group.items()
        ]
        return pd.DataFrame(rows, columns=TABLE_COLUMNS, dtype="str")

    def held(self) -> pd.DataFrame:
        """
        Who was held back: customer_group_uid, customer_uid, change ("add" | "remove"), reason; all `str`.

        A row per change that was wanted and is not in the plan, in group order. `reason` is "protected customer"
        (`protect`), "protected group" (`protect_groups`) or "never add" (`suppression_list`, or the list of the home,
        whose own reason then stands behind a colon).

        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, mode="mirror", protect=["c-1"])
        >>> plan.held().to_dict("records")
        [{'customer_group_uid': 'vip', 'customer_uid': 'c-1', 'change': 'remove', 'reason': 'protected customer'}]
        """
        return excluded_table(self.excluded)

    def moves(self) -> pd.DataFrame:
        """
        Who leaves one group and joins another: customer_uid, from_group, to_group, from_name, to_name; all `str`.

        A row per pair of groups; who leaves two and joins three has six. In order of customer, from_group, to_group.
        When the plan is applied, such a customer leaves only after a reading showed them in all that they join.

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
    def cost(self) -> RequestEstimate:
        """
        How many requests applying it takes when nothing goes wrong, and about how long; as text it is a sentence.

        >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
        >>> plan.cost.n_before, plan.cost.n_write, plan.cost.n_after, plan.cost.n_requests
        (1, 1, 1, 3)
        """
        minded = {one.uid for one in self.groups if self.limits.of(one.uid).emptied_groups is not None}
        replaced = {one.uid for one in self.groups if one.replaces_all_members and one.uid in minded}
        return estimate_requests(
            self.groups, n_write=len(self.requests()), arriving={*self._moves["to_group"], *replaced}
        )

    def customer_facts(self) -> pd.DataFrame | None:
        """
        What the plan knows of the customers that join or leave, apart from names and contact data.

        By customer_uid: external_id, customer_type, default_store, pricelist_uid, groups_now, all text, "" where
        nothing is known. It comes from the snapshot, and in a plan file from the file. An undo knows what its plan
        did, apart from the groups.
        """
        touched = dict.fromkeys(uid for group in self.groups for uid, _ in group.items())
        if self.snapshot is not None:
            return customer_facts(self.snapshot, touched)
        return None if self.known is None else self.known[self.known.index.isin(touched)]

    def summary(self) -> str:
        """The plan in sentences: what it is for, a line per group, who moves, the findings, and what it costs."""
        if self.is_empty:
            return "\n".join([self._nothing(), *map(str, self.findings)])
        lines = [f"For: {self.purpose}"] if self.purpose else []
        lines += [group.sentence() for group in self.groups]
        lines += format_moves(self._moves)
        lines += [str(finding) for finding in self.findings]
        n = self.cost.n_write
        where = self.base_url or "no host: it can be reviewed, not applied"
        lines.append(f"{n:,} write {'request' if n == 1 else 'requests'} to {where}.")
        lines.append(str(self.cost))
        return "\n".join(lines)

    def _nothing(self) -> str:
        if self.reverts:
            return f"Nothing to take back of plan {self.reverts[:12]}."
        if self.excluded:
            return f"Nothing to do: {self.tenant_uid} is as wanted but for what is held back."
        return f"Nothing to do: {self.tenant_uid} already is as wanted."

    def payloads(self) -> list[dict[str, Any]]:
        """
        The whole change of each group in the API's words, in uid order.

        >>> plan_memberships(sample_snapshot(), {"vip": ["c-7"]}).payloads()
        [{'customerGroupUid': 'vip', 'addCustomerUids': ['c-7'], 'removeCustomerUids': []}]
        """
        return [membership_payload(one.uid, one.add, one.remove) for one in self.groups if one.add or one.remove]

    def requests(self, *, chunk: int = CHUNK) -> list[dict[str, Any]]:
        """What is sent, in order: creations, then all adds, then all removes, at most `chunk` uids each."""
        if chunk < 1:
            raise InputError(f"chunk={chunk}: a request takes at least one uid.")
        base = f"/tenants/{self.tenant_uid}/customer-groups"
        created = [
            {"method": "POST", "path": base, "body": {"customerGroupUid": group.uid, "name": group.name}}
            for group in self.groups
            if group.create
        ]
        changes = [
            {
                "method": "PUT",
                "path": f"{base}/{group.uid}/customers",
                "body": {key: list(uids[start : start + chunk])},
            }
            for key, side in (("addCustomerUids", "add"), ("removeCustomerUids", "remove"))
            for group in self.groups
            for uids in [getattr(group, side)]
            for start in range(0, len(uids), chunk)
        ]
        return created + changes

    def preview(self) -> Snapshot:
        """
        The groups as they would be afterwards, as a Snapshot, so that every analysis can look at it.

        A plan that was read from a file knows the groups that it touches and no others.
        """
        taken_at = max(self.planned_at, self.snapshot_taken_at)  # Never older than what it comes after.
        if self.snapshot is not None:
            return preview_snapshot(self.snapshot, self.groups, taken_at=taken_at)
        return preview_touched(self.groups, tenant_uid=self.tenant_uid, taken_at=taken_at, base_url=self.base_url)

    def select(self, groups: Iterable[str] | None = None, *, without: Iterable[str] = ()) -> Plan:
        """
        A smaller plan: only these groups, and without these groups or customers; it has its own digest.

        It is that of a plan made for these groups alone. Groups by uid or unique name; what is held back of what is
        chosen stays. Raises InputError for a word that the plan does not know. A plan that was read from a file has
        no snapshot to look at again: what was found of the customers of a group it says as before.
        """
        chosen = self.groups if groups is None else tuple(self._group(name) for name in as_list(groups, "groups"))
        chosen = tuple(one for one in self.groups if one in chosen)
        held = self.excluded if groups is None else of_groups(self.excluded, {one.uid for one in chosen})
        for word in as_list(without, "without"):
            left = tuple(one for one in chosen if word not in (one.uid, one.name))
            still_held = remove_from_note(held, word)
            if len(left) == len(chosen):
                left = tuple(without_customer(one, word) for one in chosen)
                if left == chosen and still_held == held:
                    raise InputError(f"without={word!r} is neither a group nor a customer of this plan.")
            chosen, held = left, still_held
        kept = tuple(one for one in chosen if one.add or one.remove or one.create)
        uids = {one.uid for one in kept}
        notes = tuple(self._of_selection(note) for note in self.notes if note.customer_group_uid in (None, *uids))
        return replace(self, groups=kept, notes=notes, excluded=held, path=None)

    def _of_selection(self, note: Finding) -> Finding:
        """A number that a plan read from a file tells of all its groups cannot be told anew for some of them."""
        told = _OF_ALL in note.message or not note.n
        if self.snapshot is not None or note.customer_group_uid is not None or told:
            return note
        return replace(note, message=f"{note.message} {_OF_ALL}")

    def save(self, path: str | Path) -> Path:
        """
        Write the plan file, whole or not at all, and return its absolute path.

        It holds the member uids of the groups it touches: keep it; what is mailed is the review page. What is known
        of the customers that it moves is in it for that page, and is no part of the digest.
        """
        return write_checksummed(path, "plan", self.to_dict_with_customers())

    def to_dict_with_customers(self) -> dict[str, Any]:
        """The document, and what is known of the customers that it moves."""
        known = self.customer_facts()
        return self.to_dict() | ({} if known is None else {"customers": facts_to_dict(known)})

    def to_dict(self) -> dict[str, Any]:
        """All of it that matters to apply and undo, as plain values."""
        return {
            "digest": self.digest,
            "tenant_uid": self.tenant_uid,
            "base_url": self.base_url,
            "mode": self.mode,
            "order": ORDER,
            "limits": self.limits.to_dict(),
            "planned_at": self.planned_at.isoformat(),
            "snapshot_taken_at": self.snapshot_taken_at.isoformat(),
            "undoes": self.reverts,
            "purpose": self.purpose,
            "held_back": [one.row() for one in self.excluded],
            "notes": [asdict(one) for one in self._told],
            "groups": [
                {
                    "customer_group_uid": one.uid,
                    "name": one.name,
                    "create": one.create,
                    "baseline": list(one.baseline),
                    "add": list(one.add),
                    "remove": list(one.remove),
                    "unknown": sorted(one.unknown),
                }
                for one in self.groups
            ],
        }

    def __repr__(self) -> str:
        broken = sum(finding.blocking for finding in self.findings)
        blocked = f", BLOCKED by {pluralize(broken, 'limit')}" if broken else ""
        return (
            f"<Plan {self.digest[:12]} for {self.tenant_uid}: {pluralize(self.n_add, 'add')}, "
            f"{pluralize(self.n_remove, 'remove')} in {pluralize(len(self.groups), 'group')}{blocked}>"
        )

    def _repr_html_(self) -> str:
        facts = {
            "Tenant": f"{self.tenant_uid} at {self.base_url or 'no host: to review only'}",
            **({"For": self.purpose} if self.purpose else {}),
            "Change": " ".join(one.sentence() for one in self.groups[:5]) or "Nothing to do",
            **({"Held back": pluralize(len(self.excluded), "change")} if self.excluded else {}),
            "Findings": " ".join(map(str, self.findings[:5])) or "none",
            "Digest": self.digest,
        }
        more = len(self.groups) - 5
        if more > 0:
            facts["Change"] += f" And {more} more groups."
        return Card(f"Plan {self.digest[:12]}", facts, mark="BLOCKED" if self.blocked else "").html()

    def _forgotten(self) -> list[Finding]:
        """What keeps a plan that names a forgotten customer from being applied: nobody can be sent in their place."""
        n = count_tombstones(uid for one in self.groups for uid in (*_odd_ones(one.baseline), *one.add, *one.remove))
        if not n:
            return []
        who = f"{pluralize(n, 'customer')} of this plan {'was' if n == 1 else 'were'}"
        text = f"{who} erased since. Load and plan again."
        return [Finding("erased_customers", text, True, n=n)]

    def _group(self, name: str) -> GroupChange:
        found = [one for one in self.groups if one.uid == name] or [one for one in self.groups if one.name == name]
        if len(found) != 1:
            raise InputError(f"{len(found)} groups of this plan are {name!r}; it touches {self._touched()}.")
        return found[0]

    def _touched(self) -> str:
        return ", ".join(f"{one.uid} ({one.name})" for one in self.groups[:10]) or "none"


def _odd_ones(uids: Sequence[str]) -> Sequence[str]:
    """Those among which a forgotten customer may be; codes tell without making the text of all."""
    return uids.odd() if isinstance(uids, CodedUids) else uids
