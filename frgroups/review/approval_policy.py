"""Read policies, which allow small changes of certain groups without an approval of each plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec

from frgroups.errors import InputError
from frgroups.internals.checksummed_json import sha256
from frgroups.internals.formatting import pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.toml_files import read_toml
from frgroups.plan.finding import NOTICE_RULES
from frgroups.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Policy:
    """
    The plans that a policy file allows; `read_policy` reads one.

    Attributes
    ----------
    name
        The file name and the first 12 hex digits of its SHA-256. Journals and receipts contain it.
    by
        Name of the person responsible for the policy.
    groups
        Uids of the groups that a plan may change, or patterns such as "newsletter_*".
    max_adds, max_removes
        Maximum number of additions and removals in one plan, over all its groups.
    create
        Whether a plan may create groups.
    findings
        Rules of the findings that a plan may have, such as "unknown_customers". A plan with another finding needs
        the approval of a person.
    valid_until
        Last day (UTC) of the policy. None means that it does not expire.
    """

    name: str
    by: str
    groups: tuple[str, ...]
    max_adds: int
    max_removes: int
    create: bool = False
    findings: tuple[str, ...] = ()
    valid_until: date | None = None

    def refusals(self, plan: Plan) -> list[str]:
        """Return the reasons why the policy does not allow a plan, as sentences; [] if it allows the plan."""
        reasons = [
            f"{group.name} ({group.uid}) is not a group of this policy."
            for group in plan.groups
            if not self._covers(group.uid)
        ]
        if plan.n_add > self.max_adds:
            reasons.append(f"{pluralize(plan.n_add, 'addition')}; the policy allows {self.max_adds:,}.")
        if plan.n_remove > self.max_removes:
            reasons.append(f"{pluralize(plan.n_remove, 'removal')}; the policy allows {self.max_removes:,}.")
        created = [group.uid for group in plan.groups if group.create]
        if created and not self.create:
            reasons.append(f"The plan creates {', '.join(created)}, but the policy does not allow new groups.")
        reasons += [
            f"{finding.message} (rule: {finding.rule})"
            for finding in plan.findings
            if finding.blocking or finding.rule not in self.findings
        ]
        if self.valid_until and datetime.now(UTC).date() > self.valid_until:
            reasons.append(f"The policy was valid until {self.valid_until}.")
        return reasons

    def _covers(self, group_uid: str) -> bool:
        return any(fnmatchcase(group_uid, pattern) for pattern in self.groups)


_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
_Maximum = Annotated[int, msgspec.Meta(ge=0)]


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a policy file."""

    by: _Text
    groups: tuple[_Text, ...]
    max_adds: _Maximum
    max_removes: _Maximum
    create: bool = False
    findings: tuple[_Text, ...] = ()
    valid_until: date | None = None


def read_policy(path: str | Path) -> Policy:
    r"""
    Read a policy from a TOML file, for `apply_plan(approval=...)` and `frgroups apply --approve-policy`.

    ::

        by = "Kari Nordmann"             # the person responsible
        groups = ["newsletter_*"]        # uids of groups, or patterns
        max_adds = 50                    # in one plan, over all groups
        max_removes = 5
        create = false                   # may a plan create groups?
        findings = []                    # rules of findings that a plan may have
        valid_until = 2027-06-30

    Raises
    ------
    InputError
        The file cannot be read, is not valid TOML, lacks one of the first four keys, has an unknown key or an invalid
        value, or names an unknown rule.

    Examples
    --------
    >>> path = home() / "policy.toml"
    >>> lines = ['by = "Kari"', 'groups = ["vip"]', "max_adds = 5", "max_removes = 0", 'findings = ["unverifiable"]']
    >>> _ = path.write_text("\n".join(lines))
    >>> read_policy(path).refusals(plan_memberships(sample_snapshot(), {"vip": ["c-7"], "staff": ["c-8"]}))
    ['Staff (staff) is not a group of this policy.']
    """
    source = Path(path).expanduser()
    document, body = read_toml(source, "policy")
    try:
        content = msgspec.convert(document, _Content)
    except msgspec.ValidationError as error:
        raise InputError(
            f"Invalid policy {source}: {error}. Required keys: by, groups, max_adds, max_removes. Optional keys: "
            "create, findings, valid_until."
        ) from error
    unknown = sorted(set(content.findings) - set(NOTICE_RULES))
    if unknown:
        raise InputError(
            f"The policy {source} lists {', '.join(map(safe_repr, unknown))} under `findings`, but no finding that a "
            f"policy may allow has that rule. Rules that a policy may allow: {', '.join(NOTICE_RULES)}."
        )
    return Policy(name=f"{source.name} {sha256(body.decode())[:12]}", **msgspec.structs.asdict(content))
