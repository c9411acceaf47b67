"""Find the group that a string refers to by its uid or by its unique name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from frgroups.errors import GroupNotFoundError
from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import safe_repr
from frgroups.internals.similar_text import comparison_keys, describe_difference, differs_in_case
from frgroups.internals.suggestions import REMOVE_MISSING, did_you_mean, expression_hints, is_missing
from frgroups.internals.validation import check_text

if TYPE_CHECKING:
    from frgroups.snapshot.membership_matrix import MembershipMatrix

# This pattern matches a uid or name in quotes with an optional prefix. Quotes in the name are doubled.
REFERENCE = re.compile(
    r"""(?:(?P<kind>uid|name):)?(?P<mark>["'`])(?P<text>(?:(?!(?P=mark)).|(?P=mark){2})*)(?P=mark)""", re.DOTALL
)
_MARKS = ('"', "'", "`")
# A name that matches this pattern looks like the code or the command in a suggested action.
_CODE = re.compile(r"\bfg\.|frgroups", re.IGNORECASE)


def quote_reference(text: str, kind: str = "", mark: str = '"') -> str:
    """
    Return the uid or the name of a group in quotes, for use in an expression.

    Parameters
    ----------
    text
        The uid or the name.
    kind
        Prefix, "uid" or "name". It is required if the text is the uid of one group and the name of another group.
    mark
        The quotation mark.

    Examples
    --------
    >>> print(quote_reference("Kids & Baby"), quote_reference('5" screen'), quote_reference("vip", "uid"))
    "Kids & Baby" "5"" screen" uid:"vip"
    """
    prefix = f"{kind}:" if kind else ""
    return f"{prefix}{mark}{text.replace(mark, mark * 2)}{mark}"


def reference_of(
    matrix: MembershipMatrix, uid: str, *, created: Mapping[str, str] | None = None, in_expression: bool = False
) -> str:
    """
    Return a string that refers to the group with the given uid.

    The string is the uid itself, such as ``vip``. If the uid is ambiguous, for example because another group has the
    name "vip", the string is ``uid:"vip"``.

    Parameters
    ----------
    matrix
        The groups.
    uid
        The uid of a group.
    created
        Additional groups that a plan creates, as {uid: name}.
    in_expression
        Whether the string is part of a group expression. The uid is then always in quotes.

    Examples
    --------
    >>> matrix = sample_snapshot().matrix
    >>> print(reference_of(matrix, "vip"), reference_of(matrix, "vip", in_expression=True))
    vip "vip"
    """
    created = created or {}
    if in_expression:
        is_ambiguous = not _matching_groups(matrix, uid, created)["name"] <= {uid}
        return quote_reference(uid, "uid" if is_ambiguous else "")
    quoted = [quote_reference(uid, "uid", mark) for mark in _MARKS]
    for text in (uid, *quoted):
        if _matching_groups(matrix, text, created)[""] | _referenced_groups(matrix, text, created) <= {uid}:
            return text
    return quoted[0]


def label_of(matrix: MembershipMatrix, uid: str) -> str:
    """
    Return the label of a group for a sentence: the group's name if it identifies the group, or else the uid.

    If the name looks like code, the uid is used, because a reader could not distinguish such a name from the code
    that can follow the sentence.

    Examples
    --------
    >>> label_of(sample_snapshot().matrix, "vip"), label_of(sample_snapshot().matrix, "unknown")
    ('VIP', 'unknown')
    """
    name = matrix.names_by_uid.get(uid, "")
    is_unique = matrix.uids_by_name.get(name) == [uid] and name not in matrix.names_by_uid
    return name if name and is_unique and not _CODE.search(name) else uid


def unquote(match: re.Match[str]) -> tuple[str, str]:
    """Split a match of `REFERENCE` into the prefix ("uid", "name", or "") and the uid or name without its quotes."""
    mark = match["mark"]
    return match["kind"] or "", match["text"].replace(mark * 2, mark)


def find_group(
    matrix: MembershipMatrix, text: str, kind: str = "", *, created: Mapping[str, str] | None = None
) -> str:
    """
    Return the uid of the group that a string refers to.

    The whole string must be equal to a uid or a name. A string that is the uid of one group and the name of another
    group is an error, because either group could be meant.

    Parameters
    ----------
    matrix
        The groups.
    text
        The uid or the name of a group.
    kind
        "uid" or "name" to search only for a uid or a name. "" searches for both.
    created
        Additional groups that a plan creates, as {uid: name}.

    Examples
    --------
    >>> find_group(sample_snapshot().matrix, "VIP")
    'vip'
    """
    created = created or {}
    if not isinstance(text, str):
        raise GroupNotFoundError(
            f"A group must be a uid or a name as a string, got {type(text).__name__} ({safe_repr(text)}).",
            hint=REMOVE_MISSING if is_missing(text) else "For the table of groups, use snapshot.groups.",
        )
    check_text(text, "group")
    matching = _matching_groups(matrix, text, created)
    by_uid, by_name = matching["uid"], matching["name"]
    uids = sorted(matching[kind])
    if len(uids) == 1:
        return uids[0]
    if not uids:
        raise _not_found(matrix, text, kind)
    listed = format_list([reference_of(matrix, uid, created=created) for uid in uids], conjunction="or")
    if kind != "name" and by_uid:
        named = quote_reference(text, "name") if len(by_name) == 1 else listed
        raise GroupNotFoundError(
            f"{text!r} is the uid of a group and the name of another group "
            f"({format_list(sorted(by_name - by_uid))}). Write {quote_reference(text, 'uid')} for the group "
            f"with this uid, or {named} for the group with this name.",
            close=uids,
            n_matches=len(uids),
        )
    raise GroupNotFoundError(
        f"{len(uids)} groups have the name {text!r}. Use the uid instead: {listed}.", close=uids, n_matches=len(uids)
    )


def _matching_groups(matrix: MembershipMatrix, text: str, created: Mapping[str, str]) -> dict[str, set[str]]:
    """Return a dictionary from prefix ("uid", "name", or "") to the uids of the groups that the text matches."""
    by_uid = {text} if text in created or text in matrix.names_by_uid else set()
    by_name = {*matrix.uids_by_name.get(text, []), *(uid for uid, name in created.items() if name == text)}
    return {"uid": by_uid, "name": by_name, "": by_uid | by_name}


def _referenced_groups(matrix: MembershipMatrix, text: str, created: Mapping[str, str]) -> set[str]:
    """Return the uids of the groups to which a string with a prefix refers, or an empty set if it has no prefix."""
    match = REFERENCE.fullmatch(text)
    if match is None or not match["kind"]:
        return set()
    kind, unquoted = unquote(match)
    return _matching_groups(matrix, unquoted, created)[kind]


def find_quoted_group(
    matrix: MembershipMatrix, text: str, *, created: Mapping[str, str] | None = None, in_uid_column: bool = False
) -> str:
    """
    Return the uid of the group that a string refers to, such as ``VIP``, ``uid:"vip"``, or ``name:"VIP"``.

    If the whole string, including its prefix, is the uid or the name of a group, it refers to this group. However, if
    the prefix and the text after it identify another group, the string is ambiguous, and an error is raised. See
    `find_group` for the other errors.

    Parameters
    ----------
    matrix
        The groups.
    text
        The uid or the name of a group, with an optional prefix.
    created
        Additional groups that a plan creates, as {uid: name}.
    in_uid_column
        Whether the string comes from a column named customer_group_uid. If the string is then the uid of a group, it
        refers to this group, even if it is also the name of another group.

    Examples
    --------
    >>> find_quoted_group(sample_snapshot().matrix, 'name:"VIP"')
    'vip'
    """
    created = created or {}
    if in_uid_column and (text in created or text in matrix.names_by_uid):
        return text
    match = REFERENCE.fullmatch(text) if isinstance(text, str) else None
    if match is None or not match["kind"]:
        return find_group(matrix, text, created=created)
    with_text = _matching_groups(matrix, text, created)[""]
    if not with_text:
        kind, unquoted = unquote(match)
        return find_group(matrix, unquoted, kind, created=created)
    referenced = _referenced_groups(matrix, text, created)
    if not referenced <= with_text:
        uids = sorted(with_text | referenced)
        listed = format_list([reference_of(matrix, uid, created=created) for uid in uids], conjunction="or")
        raise GroupNotFoundError(
            f"{text!r} is the uid or the name of a group ({format_list(sorted(with_text))}) and also refers to "
            f"another group ({format_list(sorted(referenced - with_text))}). Use the uid instead: {listed}.",
            close=uids,
            n_matches=len(uids),
        )
    return find_group(matrix, text, created=created)


def _not_found(matrix: MembershipMatrix, text: str, kind: str) -> GroupNotFoundError:
    """Return the error for an unknown group. Its message names similar groups and states how their names differ."""
    if kind:
        return GroupNotFoundError(f"No group has the {kind} {text!r}.", close=[])
    folded = {name.casefold(): name for name in [*matrix.names_by_uid, *matrix.uids_by_name]}
    close = [folded[name] for name in get_close_matches(text.casefold(), folded, n=3)]
    hint, cli_hint = expression_hints(text)
    error = GroupNotFoundError(
        f"No group has the uid or name {text!r}.{did_you_mean(close)}", hint=hint, cli_hint=cli_hint, close=close
    )
    keys = comparison_keys(text)
    alike = next((name for name in matrix.uids_by_name if keys & comparison_keys(name)), None)
    if alike is None:
        return error
    if not differs_in_case(text, alike):
        difference = describe_difference(text, alike)
        error.add(hint=f"The group name {alike!r} looks similar. The difference is {difference}.")
    elif alike not in close:
        error.add(hint=f"The group name {alike!r} differs from {text!r} only in case or spaces.")
    return error
