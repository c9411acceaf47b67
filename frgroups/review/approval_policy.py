"""A policy: which small changes of which groups may be applied without asking anybody each time."""

from __future__ import annotations

import tomllib
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
from frgroups.plan.plan import Plan

# The rules of findings that may be let through; a broken limit never is.
RULES = (
    "covered",
    "created_group_stays",
    "ended",
    "idle_limits",
    "suppression_list",
    "not_finalized",
    "other_type",
    "out_of_sight",
    "own_pricelist",
    "protected",
    "protected_group",
    "register_unknown",
    "same_name",
    "two_tiers",
    "already_undone",
    "unknown_customers",
    "unverifiable",
)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What a policy file allows; `read_policy` reads one.

    Attributes
    ----------
    name
        The file's name and the first 12 hex digits of its SHA-256, by which journals and receipts tell of it.
    by
        Who answers for the policy.
    groups
        Uids of groups, or patterns such as "newsletter_*".
    max_adds, max_removes
        Of one plan, all its groups together.
    create
        Whether a plan may make groups.
    findings
        Rules of findings that a plan may have, such as "unknown_customers"; with any other it needs a person, to whom
        the refusal names the rule.
    valid_until
        The last day (UTC) on which it allows anything.
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
        """Why a person must look at this plan, in sentences; none when the policy allows it."""
        others = [one for one in plan.groups if not any(fnmatchcase(one.uid, known) for known in self.groups)]
        told = [f"{one.name} ({one.uid}) is none of its groups." for one in others]
        for n, most, what in ((plan.n_add, self.max_adds, "addition"), (plan.n_remove, self.max_removes, "removal")):
            if n > most:
                told.append(f"{pluralize(n, what)}; it allows {most:,}.")
        created = [one.uid for one in plan.groups if one.create]
        if created and not self.create:
            told.append(f"{', '.join(created)} would be created; it lets no group be created.")
        told += [
            f"{one.message} (rule: {one.rule})"
            for one in plan.findings
            if one.blocking or one.rule not in self.findings
        ]
        if self.valid_until and datetime.now(UTC).date() > self.valid_until:
            told.append(f"It was valid until {self.valid_until}.")
        return told


_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
_Most = Annotated[int, msgspec.Meta(ge=0)]


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """What may stand in a policy's file."""

    by: _Text
    groups: tuple[_Text, ...]
    max_adds: _Most
    max_removes: _Most
    create: bool = False
    findings: tuple[_Text, ...] = ()
    valid_until: date | None = None


def read_policy(path: str | Path) -> Policy:
    r"""
    The policy in a TOML file, for `apply_plan(approval=...)` and `frgroups apply --approve-policy`.

    ::

        by = "Kari Nordmann"             # who answers for it
        groups = ["newsletter_*"]        # uids of groups, or patterns
        max_adds = 50                    # of one plan, all groups together
        max_removes = 5
        create = false                   # may a plan make groups?
        findings = []                    # rules of findings that it may have
        valid_until = 2027-06-30

    Raises
    ------
    InputError
        The file cannot be read, lacks one of the first four, or has a key or value that is none of these, such as a
        rule that no finding has.

    >>> path = home() / "policy.toml"
    >>> lines = ['by = "Kari"', 'groups = ["vip"]', "max_adds = 5", "max_removes = 0", 'findings = ["unverifiable"]']
    >>> _ = path.write_text("\n".join(lines))
    >>> read_policy(path).refusals(plan_memberships(sample_snapshot(), {"vip": ["c-7"], "staff": ["c-8"]}))
    ['Staff (staff) is none of its groups.']
    """
    source = Path(path).expanduser()
    try:
        text = source.read_bytes()
        content = msgspec.convert(tomllib.loads(text.decode("utf-8-sig")), _Content)
    except OSError as error:
        raise InputError(f"The policy {source} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"The policy {source} is no TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise InputError(
            f"The policy {source} is not one: {error}. It has by, groups, max_adds and max_removes, and may have "
            "create, findings and valid_until."
        ) from error
    if unknown := sorted(set(content.findings) - set(RULES)):
        raise InputError(
            f"The policy {source} names {', '.join(map(safe_repr, unknown))} among its findings, which is the rule "
            f"of none. Those that a policy may let through: {', '.join(RULES)}."
        )
    return Policy(name=f"{source.name} {sha256(text.decode())[:12]}", **msgspec.structs.asdict(content))
