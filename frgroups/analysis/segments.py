"""Select segments of customers by rules over customer attributes, groups, and reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import pandas as pd

from frgroups.analysis.attributes import join_attributes
from frgroups.analysis.consent import check_consent
from frgroups.analysis.rule_evaluation import RuleColumns, evaluate_rule
from frgroups.analysis.rule_names import ComputedNames
from frgroups.errors import FrgroupsError, GroupNotFoundError, InputError
from frgroups.internals.formatting import format_list
from frgroups.internals.redaction import mask_explicit_contacts
from frgroups.internals.typing import BoolArray
from frgroups.internals.validation import check_type, wrong_type
from frgroups.snapshot.customer_masks import align_mask, is_mask
from frgroups.snapshot.snapshot import Snapshot

Rule = str | pd.Series | Callable[[pd.DataFrame], pd.Series]


def segment(
    snapshot: Snapshot,
    rules: Mapping[str, Rule],
    *,
    attributes: pd.DataFrame | None = None,
    consent: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    """
    Select the customers of each segment by a rule over the attributes of the customers.

    The result can be passed to `plan_memberships` as the desired memberships, or to `waterfall` as the audiences.

    Parameters
    ----------
    snapshot
        The snapshot that contains the customers. A snapshot does not contain customers who are in no group.
    rules
        A dictionary that maps each segment to a rule. The name of a segment can be any text, for example the uid of
        a group. A rule is one of:

        - A string that compares columns, such as ``"credit_limit > 0 and country_code == 'NO'"``. See Notes.
        - A boolean Series, called a mask. It has one value, True or False, for each customer. Its index contains the
          labels of `snapshot.customers` or the customer uids, in any order.
        - A function that is called with the customers and returns a mask.
    attributes
        A DataFrame with one row per customer and further columns for the rules. The column customer_uid or the index
        of the DataFrame contains the customer uids. Customers without a row have missing values. Rows of customers
        who are not in the snapshot are ignored.
    consent
        A dictionary that maps a channel to the uid or name of its consent, as in `reachability`. The consents are
        used for the names that contain a channel, such as reachable_email and consent_email, in rules.

    Returns
    -------
    dict
        A sorted list of customer uids for each segment.

    Raises
    ------
    InputError
        If a rule cannot be evaluated, if a mask is incomplete or has unknown index labels, or if `attributes` repeats
        a customer or a column of `snapshot.customers`. The attribute `group` of the error contains the segment of
        an invalid rule.
    GroupNotFoundError
        If a rule contains an unknown group, or a group name that is not unique. The attribute `close` contains
        similar names.

    Notes
    -----
    A string rule is written in a subset of Python and can be stored in a file. A rule has the same result for each
    dtype of the same data.

    **Missing values.** The result of a comparison with a missing value is unknown, as in SQL. An unknown result never
    selects a customer. ``country_code != 'NO'``, ``country_code not in ['NO']``, and ``not (country_code == 'NO')``
    do not select customers without a country. To also select these customers, add ``or country_code.isna()``. The
    operators follow SQL: ``not`` unknown is unknown, False ``and`` unknown is False, and True ``or`` unknown is True.
    If all values of a column are missing, the column has no type, and the result of each comparison with it is
    unknown.

    **Dates.** A date is written in ISO 8601 format and in quotes, and means the whole day in UTC.
    ``created_at == '2026-02-01'`` selects this day, ``created_at <= '2026-02-01'`` includes the day, and
    ``created_at > '2026-02-01'`` starts with the next day. A time, such as ``'2026-02-01T08:00Z'`` or
    ``'2026-02-01T09:00+01:00'``, is exact. Without a time zone, a time in a rule or in a column is in UTC.

    **Text.** Comparisons and methods distinguish case, and methods search for literal text. Pass ``case=False`` or
    ``regex=True`` to change these defaults.

    **Types.** Text, numbers, booleans, dates, and durations are different types. A comparison of different types is
    an error, also in lists and methods. For example, write ``country_code == '47'`` instead of
    ``country_code == 47``. A category is compared by its value. The operators ``< <= > >=`` reject ordered categories
    that are not in sorted order.

    **Groups, reach, and consents.** A rule can also use names that are computed from the snapshot. The values of
    consent_email and consent_mobile are missing if the consent has no status. The other values are never missing.

    - ``n_groups``: the number of the customer's groups
    - ``reachable_email`` and ``reachable_mobile``: True if the customer can be contacted through the channel, as in
      `reachability`, and otherwise False
    - ``consent_email`` and ``consent_mobile``: the status of the customer's consent, which is ``'given'``,
      ``'withdrawn'``, or ``'none'`` (the customer has no such consent). The status does not depend on whether the
      customer has an email address or a mobile number.
    - ``in_group('VIP')``: True if the customer is a member of the group with this uid or unique name. Combine groups
      with ``and``, ``or``, and ``not``.

    If a column of the customers or of `attributes` has the name of a computed value, such as n_groups, a rule that
    contains the name without backticks raises an error. In backticks, the name refers to the column.

    A rule can contain:

    - the operators ``< <= == != >= >``, ``in`` and ``not in`` with a list of constants, ``and`` or ``&``, ``or`` or
      ``|``, ``not`` or ``~``, and ``+ - * / // %``. The result of a division by 0 is missing. Floats of a lower
      precision are converted to float64.
    - the methods ``isna()``, ``notna()``, ``isin(values)``, ``between(left, right, inclusive='both')``,
      ``fillna(value)``, and ``abs()``
    - the text methods ``.str.contains``, ``match``, ``fullmatch``, ``startswith``, ``endswith``, ``replace``,
      ``lower``, ``upper``, ``strip``, and ``len``, with the parameters of pandas
    - the parts of dates ``.dt.year``, ``quarter``, ``month``, ``day``, ``dayofweek`` (Monday is 0), and ``hour``, in
      UTC, and ``.dt.days`` of the difference of two dates, such as ``('2026-02-01' - created_at).dt.days``

    Enclose a column name that is not a Python identifier in backticks.

    Examples
    --------
    >>> chosen = segment(sample_snapshot(), {"vip": "credit_limit > 0 and country_code == 'SE'"})
    >>> chosen["vip"]
    ['c-125', 'c-225', 'c-25']
    >>> visits = pd.DataFrame({"visits": [9, 4]}, index=["c-1", "c-7"])
    >>> segment(sample_snapshot(), {"regulars": "visits > 5"}, attributes=visits)
    {'regulars': ['c-1']}
    >>> segment(sample_snapshot(), {"mail": "reachable_email and in_group('VIP') and n_groups >= 2"})
    {'mail': ['c-2']}
    >>> chosen = segment(sample_snapshot(), {"refused": "consent_email in ['withdrawn', 'none']"})
    >>> len(chosen["refused"])
    101
    """
    check_type(snapshot, Snapshot, "snapshot")
    if not isinstance(rules, Mapping):
        raise wrong_type(rules, "rules", "a mapping of groups to rules")
    check_consent(consent or {})
    customers = join_attributes(snapshot, attributes)
    columns = RuleColumns(customers, ComputedNames(snapshot, consent or {}))
    uids = customers["customer_uid"]
    return {
        name: sorted(uids[select_by_rule(customers, columns, name, rule, kind="segment")])
        for name, rule in rules.items()
    }


def select_by_rule(
    customers: pd.DataFrame,
    columns: RuleColumns,
    name: str,
    rule: Rule,
    *,
    kind: Literal["segment", "group"],
) -> BoolArray:
    """
    Return a mask that is True for each customer selected by the rule for a segment or a group.

    See `segment` for the rules and the errors. The messages of the errors contain `kind` and `name`.

    Examples
    --------
    >>> customers = sample_snapshot().customers
    >>> int(select_by_rule(customers, RuleColumns(customers), "vip", "credit_limit > 0", kind="group").sum())
    10
    """
    try:
        if isinstance(rule, str):
            return evaluate_rule(rule, columns)
        mask = rule(customers.copy()) if callable(rule) else rule
    except Exception as error:
        raise _evaluation_error(error, customers, f"{kind} {name!r}", name, rule) from error
    is_empty = isinstance(mask, pd.Series) and mask.isna().all()
    if not is_mask(mask) and not is_empty:
        returned = f"a Series of dtype {mask.dtype}" if isinstance(mask, pd.Series) else type(mask).__name__
        raise InputError(
            f"The rule for {kind} {name!r} must return a Series of booleans, got {returned}. "
            f"The rule is {_describe_rule(rule)}.",
            group=name,
        )
    try:
        return align_mask(mask, customers, f"The mask for {kind} {name!r}")
    except InputError as error:
        raise InputError(error.message, group=name) from None


def _evaluation_error(error: Exception, customers: pd.DataFrame, label: str, name: str, rule: Rule) -> InputError:
    """Return the error for a rule that cannot be evaluated. For an unknown group, return a GroupNotFoundError."""
    reason, hint, cli_hint = f"{type(error).__name__}: {error}.", "", None
    if isinstance(error, InputError):
        reason = str(error)
    if isinstance(error, InputError) and error.cli_hint is not None:
        reason, hint, cli_hint = error.message, error.hint, error.cli_hint
    kind = GroupNotFoundError if isinstance(error, GroupNotFoundError) else InputError
    text = f"The rule for {label} cannot be evaluated. {mask_explicit_contacts(reason)} "
    text += f"The rule is {_describe_rule(rule)}."
    if isinstance(error, KeyError | AttributeError) and not isinstance(error, FrgroupsError):
        # The rule might be a function that uses an unknown column, so the error lists the columns.
        text += f" The columns are {format_list(list(map(str, customers.columns)))}."
    described = kind(text, hint=hint, cli_hint=cli_hint, group=name)
    if isinstance(error, GroupNotFoundError) and isinstance(described, GroupNotFoundError):
        described.close, described.n_matches = error.close, error.n_matches
    return described


def _describe_rule(rule: Rule) -> str:
    """Describe a rule for an error message. Contact data is masked, and a function is shown by its name."""
    if isinstance(rule, str):
        return repr(mask_explicit_contacts(rule))
    return str(getattr(rule, "__name__", None) or type(rule).__name__)
