"""Create the sentences and tables that all review formats contain."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.internals.timestamps import parse_duration
from frgroups.internals.typing import BoolArray
from frgroups.plan.customer_facts import FACT_COLUMNS, customer_facts
from frgroups.plan.customer_origin import origin_text
from frgroups.plan.finding import APPROVAL_CHECK, Finding, sort_findings
from frgroups.plan.group_change import GroupChange
from frgroups.plan.limit_overrides import blocking_noun
from frgroups.plan.modes import Mode
from frgroups.plan.moves import format_moves
from frgroups.plan.plan import Plan
from frgroups.plan.plan_summary import mode_sentences
from frgroups.review.customer_names import NAME, lookup_names
from frgroups.review.large_changes import large_change_text
from frgroups.review.run_results import (
    IN_EFFECT,
    MADE,
    RESULT_TEXTS,
    RunResults,
    count_text,
    open_changes,
    part_text,
    result_sentence,
)
from frgroups.snapshot.snapshot import Snapshot

# Maximum number of group names in the headline.
MAX_HEADLINE_GROUPS = 3
# Findings with these rules are shown at the top of a review.
TOP_RULES = ("all_members_leave", "empty_list")
MAX_TOP_WARNINGS = 5
# Readable text for the rules in the column `finding`.
# CSV files contain the rule names, so that programs can use them.
_RULE_TEXTS = {
    "unknown_customers": "not in the data used",
    "withdrawn_consent": "consent withdrawn",
    "no_consent_record": "no record of a consent",
    "two_tiers": "in several groups of an exclusive set",
    "own_pricelist": "own price list",
    "other_type": "unusual customer type",
    "out_of_sight": "in no group afterwards",
}
COLUMN_LABELS = {
    "change": "Change",
    "group_name": "Group",
    "customer_group_uid": "Group uid",
    "customer_uid": "Customer uid",
    NAME: "Name",
    "result": "Result",
    "result_detail": "Details",
    "finding": "Finding",
    "external_id": "External id",
    "customer_type": "Type",
    "default_store": "Default store",
    "pricelist_uid": "Price list",
    "groups_now": "Groups when planned",
}
# Words about a list, and their replacements for customers that come from a group expression or a rule.
_SELECTED = {
    "Customers in the list": "Selected customers",
    "customers in the list": "selected customers",
    "customer in the list": "selected customer",
    "in the list": "selected",
    "The list": "The selection",
}
_MODE_NAME = re.compile(r" \(mode \w+\)")
# Effect of each mode on the listed customers, displayed in the table of groups.
MODE_LABELS: dict[Mode, str] = {
    "add": "join",
    "remove": "leave",
    "keep_only": "stay, others leave",
    "mirror": "join or stay, others leave",
}
# Kinds of operations in the order in which a review lists them.
_RANKS = ("removals", "additions of customers without details", "additions with a finding", "other additions")
CHANGE_TEXTS = {"add": "joins", "remove": "leaves"}
DIGEST_NOTE = "The plan code is computed from the plan. Plans with different changes or limits have different codes."
WITHDRAW_ADVICE = "To change this decision later, ask the operator to withdraw the rejection."
REJECTION_CONSEQUENCES = f"If you reject the plan, all plans that contain its changes are blocked. {WITHDRAW_ADVICE}"
APPROVED_CONSEQUENCES = (
    "One approval is sufficient. If you reject the plan before it is applied, this approval is no longer used. It "
    "also remains unused if the rejection is withdrawn later, so the plan then needs a new approval."
)
NO_SECOND_APPROVAL = (
    "This plan already has a valid approval, so you can only reject it. A second approval would prevent the run, "
    "because the operator's program does not choose between several valid approvals."
)
DIGEST_CHECK = (
    "The operator is the person who applies the plan. When the operator applies it, the program prints the plan code "
    "and the numbers of changes. They must be the same as on this page."
)


def operations_table(plan: Plan, personal: Snapshot | None = None, results: RunResults | None = None) -> pd.DataFrame:
    """
    Return the operations of a plan in the order of `_RANKS`.

    If the plan was started, changes that are not in effect are first, and the table contains the columns `result` and
    `result_detail`. Additions of customers without details follow the removals, because the reviewer must check these
    additions. Customers without details are not in the snapshot, so they might not exist.

    The table also contains group names and the customer details in the plan, such as the customer type. If a personal
    snapshot is passed, the table also contains customer names. An undo plan contains no customer details, so the
    details are read from the personal snapshot.
    """
    table = plan.table()
    group_names = {group.uid: group.name for group in plan.groups}
    table.insert(1, "group_name", table["customer_group_uid"].map(group_names).astype("str"))
    details = plan.customer_facts()
    if personal is not None:
        table[NAME] = pd.Series(lookup_names(personal, table["customer_uid"]), dtype="str")
        if details is None or plan.reverts:
            details = customer_facts(personal, table["customer_uid"])
    if details is not None and len(table):
        details = details.reindex(table["customer_uid"], fill_value="").reset_index(drop=True)
        table = pd.concat([table, details], axis=1)
    keys: list[npt.NDArray[Any]] = [_ranks(table)]
    if results is not None:
        table = results.add_columns(table)
        keys.append(table["result"].isin(IN_EFFECT).to_numpy())
    return table.iloc[np.lexsort(keys)].reset_index(drop=True)


def open_change_sentences(plan: Plan, results: RunResults | None, personal: Snapshot | None) -> list[str]:
    """Describe the changes of a started plan that are not in effect. Return [] if `results` is None."""
    if results is None:
        return []
    names: dict[str, str] = {}
    if personal is not None:
        uids = pd.Series(sorted({uid for _, uid, _ in results.states}), dtype="str")
        names = dict(zip(uids, lookup_names(personal, uids), strict=True))
    return open_changes(plan, results, names)


def operations_order(table: pd.DataFrame) -> str:
    """
    Describe the order of the table that `operations_table` returns, or return "" if all rows have the same rank.

    Examples
    --------
    >>> operations_order(operations_table(plan_memberships(sample_snapshot(), {"vip": ["c-7", "new-1"]})))
    'Additions of customers without details are listed first, followed by the other additions.'
    """
    if "result" in table:
        is_mixed = table["result"].isin(IN_EFFECT).nunique() > 1
        return "Changes that were not applied, or whose result is not known, are listed first." if is_mixed else ""
    ranks = np.unique(_ranks(table)).tolist()
    if len(ranks) < 2:
        return ""
    names = [_RANKS[rank] for rank in ranks]
    if ranks[-1] == len(_RANKS) - 1:
        names[-1] = "the other additions" if len(ranks) > 2 or ranks[0] != 0 else "additions"
    first = f"{names[0][0].upper()}{names[0][1:]}"
    return f"{first} are listed first, followed by {format_list(names[1:])}."


def _ranks(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the rank of each operation, which is a position in `_RANKS`."""
    rank = np.where(table["finding"] != "", 2, 3)
    rank = np.where(has_details(table), rank, 1)
    return np.where(table["change"] == "remove", 0, rank)


def finding_words(table: pd.DataFrame) -> pd.Series:
    """Return the column `finding` of an operations table with readable words instead of rule names."""
    texts = {}
    for rules in table["finding"].unique():
        texts[rules] = "; ".join(_RULE_TEXTS.get(rule, rule) for rule in rules.split(", "))
    return table["finding"].map(texts).astype("str")


def readable_operations(table: pd.DataFrame) -> pd.DataFrame:
    """Return an operations table in which column names, changes, and findings are replaced with readable words."""
    table = table.assign(change=table["change"].map(CHANGE_TEXTS).astype("str"))
    if "finding" in table:
        table["finding"] = finding_words(table)
    if "result" in table:
        table["result"] = table["result"].map(RESULT_TEXTS).astype("str")
    return table.rename(columns=COLUMN_LABELS)


def has_details(table: pd.DataFrame) -> BoolArray:
    """Return a mask that is True for operations with customer details, or for all operations if none has details."""
    mask = np.zeros(len(table), dtype=np.bool_)
    for column in {NAME, *FACT_COLUMNS} & set(table):
        mask |= (table[column] != "").to_numpy(dtype=np.bool_)
    if not mask.any():
        return ~mask
    return mask


def empty_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of an operations table's optional columns that have no value in any row."""
    optional = [name for name in (NAME, "finding", "result_detail", *FACT_COLUMNS) if name in table]
    return [name for name in optional if (table[name] == "").all()]


def headline(plan: Plan, title: str = "", results: RunResults | None = None) -> str:
    """
    Summarize the additions and removals of a plan in one line, with the names of the first groups.

    Parameters
    ----------
    plan
        The plan.
    title
        State of the plan in one to three words, or "" if a decision is possible.
    results
        Results of the run. If the run did not make all changes, the numbers state how many it made.

    Examples
    --------
    >>> headline(plan_memberships(sample_snapshot(), {"vip": ["c-7"], "staff": ["c-1"]}))
    '2 additions to Staff and VIP'
    """
    if plan.is_empty:
        return "Nothing to do: the groups already match the request"
    text = _change_line(plan, results)
    if plan.reverts:
        text = f"Undo: {text}"
    return f"{title}: {text}" if title else text


def _change_line(plan: Plan, results: RunResults | None) -> str:
    groups = _name_groups(plan)
    if results is not None and (results.n_already or not results.are_all_in_effect):
        if not plan.n_add and not plan.n_remove:
            return f"creation of {groups}"
        preposition = "in"
        if not plan.n_remove:
            preposition = "to"
        elif not plan.n_add:
            preposition = "from"
        n = results.n_already
        note = f" ({n:,} {agree(n, 'was', 'were')} already in effect)" if n else ""
        return f"{count_text(plan, results)} {preposition} {groups}{note}"
    if not plan.n_add and not plan.n_remove:
        return f"{groups} {agree(len(plan.groups), 'is', 'are')} created without members"
    additions, removals = pluralize(plan.n_add, "addition"), pluralize(plan.n_remove, "removal")
    if not plan.n_remove:
        return f"{additions} to {groups}"
    if not plan.n_add:
        return f"{removals} from {groups}"
    return f"{additions} and {removals} in {groups}"


def _name_groups(plan: Plan) -> str:
    """Return a phrase with the names of the first groups in review order and the number of other groups."""
    names = [group.name or group.uid for group in groups_by_severity(plan)]
    n_more = len(names) - MAX_HEADLINE_GROUPS
    if n_more > 0:
        names[MAX_HEADLINE_GROUPS:] = [f"{n_more:,} more {agree(n_more, 'group', 'groups')}"]
    return format_list(names)


def _n_customers(plan: Plan) -> int:
    return len({uid for group in plan.groups for uid in (*group.add, *group.remove)})


def customers_sentence(plan: Plan, results: RunResults | None = None) -> str:
    """
    Describe the number of affected customers, or return "" if the plan affects no customer.

    If `results` is given, the sentence states how many of these customers joined or left a group in the run.
    """
    n_customers = _n_customers(plan)
    if not n_customers:
        return ""
    if results is not None:
        n_changed = len({uid for (_, uid, _), state in results.states.items() if state in MADE})
        at_least = "At least " if results.n_unknown else ""
        verbs = [verb for verb, n in (("joined", plan.n_add), ("left", plan.n_remove)) if n]
        text = f"{at_least}{part_text(n_changed, n_customers, 'customer')} {' or '.join(verbs)} a group."
        n = results.n_already
        if n:
            text += f" {pluralize(n, 'change')} {agree(n, 'was', 'were')} already in effect before the run."
        return text
    return f"{pluralize(n_customers, 'customer')} {agree(n_customers, 'is', 'are')} affected."


def mode_texts(plan: Plan) -> list[str]:
    """
    Describe the mode of a plan for reviewers. The name of the mode is omitted, because only operators need it.

    Examples
    --------
    >>> mode_texts(plan_memberships(sample_snapshot(), {"staff": ["c-7"]}))[0]
    'Customers in the list join the group. Members who are not in the list stay.'
    """
    sentences = [_MODE_NAME.sub("", sentence) for sentence in mode_sentences(plan)]
    if plan.groups and all(group.create for group in plan.groups) and isinstance(plan.mode, str):
        # Replace the first sentence, because it also describes members who stay, and a new group has no members.
        sentences[0] = "Customers in the list join the new group."
    kinds = {origin.kind for origins in plan.origins.values() for origin in origins}
    if kinds and kinds <= {"expression", "rule"}:
        for listed, selected in _SELECTED.items():
            sentences = [sentence.replace(listed, selected) for sentence in sentences]
    return sentences


def moves_sentences(plan: Plan) -> str:
    """Describe the moves between groups, and the order of their requests if the plan can be approved."""
    moves = plan.moves()
    sentences = format_moves(moves)
    if sentences and can_be_approved(plan):
        subject = agree(moves["customer_uid"].nunique(), "this customer is", "these customers are")
        sentences.append(f"For a short time, {subject} in both groups, because additions are sent first.")
    return " ".join(sentences)


def can_be_approved(plan: Plan) -> bool:
    """Return True if the plan contains changes, has a host, and is not blocked."""
    return not (plan.is_empty or plan.blocked or plan.base_url is None)


def approval_consequences(plan: Plan) -> str:
    """Describe what happens after an approval."""
    text = (
        "If you approve the plan, its changes are sent when the operator applies the plan, and the result is "
        "checked. The changes can be undone with another plan, which is also reviewed."
    )
    n_created = sum(group.create for group in plan.groups)
    if n_created:
        text += f" An undo does not delete the new {agree(n_created, 'group', 'groups')}."
    return text


def blocked_text(plan: Plan) -> str:
    """Describe why a blocked plan cannot be approved."""
    blocking = [finding for finding in plan.findings if finding.blocking]
    noun = blocking_noun(blocking)
    verb = "exceeds" if noun == "limit" else "is blocked by"
    return f"This plan {verb} {pluralize(len(blocking), noun)}. It cannot be approved or applied."


def blocked_advice(plan: Plan) -> str:
    """Describe what the reviewer of a blocked plan can do."""
    if any(finding.allow for finding in plan.findings if finding.blocking):
        return "Ask the operator for a new plan with fewer changes or wider limits."
    return "Ask the operator for a new plan."


def group_sentence(plan: Plan, group: GroupChange, results: RunResults | None = None) -> str:
    """
    Describe in one to three sentences how a plan changes a group.

    If `results` is given, the sentences describe how the plan's run changed the group. If the groups of the plan have
    different modes, the sentences also state the mode of the group.
    """
    if results is not None:
        return result_sentence(group, results.of(group))
    sentence = group.sentence()
    if not isinstance(plan.mode, str):
        sentence += f" Listed customers {MODE_LABELS[plan.mode_of(group.uid)]}."
    if group.counts.emptied:
        return f"{sentence} The group will be empty."
    large = large_change_text(group)
    return f"{sentence} {large[0].upper()}{large[1:]}." if large else sentence


def group_origin(plan: Plan, group: GroupChange) -> str:
    """
    Describe the source of a group's requested customers, or return "" if the source is not known.

    If there are several sources, a sentence states the number of different customers. In the mode "add", another
    sentence states how many of these customers were already members. This number explains why the plan makes fewer
    additions than there are customers.
    """
    origins = plan.origins.get(group.uid, ())
    if not origins:
        return ""
    text = f"{origin_text(origins)}."
    listed = next((listed for listed in plan.listed_groups if listed.uid == group.uid), None)
    if listed is not None and len(origins) > 1:
        n = listed.n_listed
        text += f" Together, these are {n:,} different {agree(n, 'customer', 'customers')}."
    if listed is not None and listed.n_both and plan.mode_of(group.uid) == "add":
        n = listed.n_both
        text += (
            f" {n:,} of them {agree(n, 'was already a member', 'were already members')} when the plan was created."
        )
    return text


def groups_by_severity(plan: Plan) -> list[GroupChange]:
    """Return a plan's groups: first blocked groups, then emptied groups, then the groups with the most removals."""
    blocked = blocked_groups(plan)
    return sorted(
        plan.groups,
        key=lambda group: (
            group.uid not in blocked,
            not group.counts.emptied,
            -len(group.remove),
            -len(group.add),
            group.uid,
        ),
    )


def blocked_groups(plan: Plan) -> frozenset[str]:
    """Return the uids of the groups that have a blocking finding."""
    return frozenset(
        finding.customer_group_uid for finding in plan.findings if finding.blocking and finding.customer_group_uid
    )


def review_findings(plan: Plan, *, can_decide: bool) -> list[Finding]:
    """Return a plan's findings, most important first. Omit the sentence `APPROVAL_CHECK` if `can_decide` is False."""
    findings = sort_findings(plan.findings)
    if can_decide:
        return findings
    return [replace(finding, message=finding.message.removesuffix(f" {APPROVAL_CHECK}")) for finding in findings]


def finding_text(finding: Finding) -> str:
    """Return the message of a finding. "Warning" or "BLOCKED" precedes the message, unless the finding is a note."""
    return f"Warning: {finding.message}" if finding.is_warning else str(finding)


def top_warnings(plan: Plan) -> list[str]:
    """
    Return the messages that a review shows first, about emptied groups and about empty lists of customers.

    The messages about the largest groups are first. At most `MAX_TOP_WARNINGS` messages are returned. If there are
    more, an additional sentence states the number of the remaining groups.
    """
    findings = [finding for finding in plan.findings if finding.rule in TOP_RULES]
    findings.sort(key=lambda finding: -finding.n)
    messages = [finding.message for finding in findings[:MAX_TOP_WARNINGS]]
    n_more = len(findings) - len(messages)
    if n_more > 0:
        messages.append(f"The same applies to {n_more:,} more {agree(n_more, 'group', 'groups')}.")
    return messages


def plan_expires(plan: Plan) -> datetime | None:
    """Return the time at which a plan expires, or None if it does not expire."""
    if plan.limits.plan_max_age is None:
        return None
    return plan.planned_at + parse_duration(plan.limits.plan_max_age)
