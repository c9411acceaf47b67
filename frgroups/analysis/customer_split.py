"""Split customers into the arms of a campaign, such as a mailing and a control group."""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from frgroups.analysis.arm_shares import ARM, CONTROL, SEED, SHARES, ArmShares, read_arms
from frgroups.analysis.customer_tables import CUSTOMER, match_customers
from frgroups.analysis.largest_remainder import assign_exactly
from frgroups.errors import InputError
from frgroups.internals.formatting import agree, format_list, pluralize
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import IndexArray, UInt64Array
from frgroups.internals.validation import as_list, check_columns, check_text, check_type, wrong_type
from frgroups.snapshot.membership_matrix import check_uids, to_string_array
from frgroups.snapshot.uid_order import uid_order

Strata = str | list[str] | pd.DataFrame | pd.Series | None

_HASH_SIZE = 32  # Number of bytes in a SHA-256 digest. Only the first eight bytes are used.
_CHUNK_SIZE = 1000  # Number of uids that are hashed together. Their digests fit in the processor cache.
_LARGEST = 2**64 - 1


def split_customers(
    customers: Iterable[str] | pd.DataFrame,
    shares: Mapping[str, float],
    *,
    seed: str | int,
    control: str = "control",
    strata: Strata = None,
    exact: bool = False,
    keep: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """
    Split customers at random into the arms of a campaign, such as a mailing and a control group.

    The arm of a customer depends only on the seed, the uid, and the shares. Therefore, the result does not depend on
    the machine or on the order of the customers. A customer stays in the same arm when other customers join or leave.
    The number of customers in each arm is approximately proportional to the arm's share.

    Parameters
    ----------
    customers : iterable of str or DataFrame
        Customer uids, such as the result of `members`, or a table with the column customer_uid.
    shares : mapping of str to float
        Share of each arm. The shares must sum to 1. The order of the arms does not matter.
    seed : str or int
        Name of the campaign, or a number. A different seed produces a different random split. Use a new seed for each
        campaign, so that the same customers are not in the control group every time.
    control : str, default "control"
        Arm that receives no campaign. The customers of the control group stay the same if you only change how the
        other customers are divided among the other arms.
    strata : str, list of str, DataFrame, or Series, optional
        Attributes that define strata, such as the country. Strings are names of columns of `customers`. A DataFrame
        needs the column customer_uid or an index of customer uids, and a Series needs such an index. The columns are
        added to the result. They affect the arms only if `exact` is True.
    exact : bool, default False
        Whether the number of customers in each arm must match the arm's share exactly. In each stratum, the number is
        the share multiplied by the size of the stratum, rounded by the largest remainder method. A customer's arm
        then depends on the other customers. To keep the arms when customers join or leave, pass `keep`.
    keep : DataFrame, optional
        An earlier split with the columns customer_uid and arm, such as an earlier result of this function. Customers
        in this table keep their arm, and only the other customers are assigned. The result does not contain customers
        of `keep` who are not in `customers`.

    Returns
    -------
    DataFrame
        One row per customer, sorted by uid:

        - customer_uid, arm (`str`)
        - the columns of `strata`

        The attrs of the table contain shares, control, and seed. `measure_lift` and `split_balance` read the shares
        and the control from these attrs. pandas drops the attrs in some operations, and a CSV file does not contain
        them. In this case, pass ``shares=`` and ``control=`` to these functions.

    Raises
    ------
    InputError
        If the shares do not sum to 1, `control` is not an arm, a uid is missing or repeated, a customer has no value
        in `strata`, or `keep` contains a customer in two arms or an arm that `shares` does not contain.

    See Also
    --------
    split_balance : Check that the arms are comparable before the campaign starts.
    measure_lift : Measure the effect of the campaign.

    Notes
    -----
    Each customer gets a number from 0 to 1. To compute the number, the string ``f"{seed}:{uid}"`` is encoded in UTF-8
    and hashed with SHA-256. The first eight bytes of the hash are read as a big-endian integer and divided by 2**64.
    The control group consists of the customers whose number is below the share of the control. The next intervals of
    numbers are assigned to the other arms, in the order of their names. Other systems can use the same calculation to
    find the arm of a customer.

    With `exact`, the customers of each stratum are sorted by this number. An arm with a small share can be empty if
    the strata are small. With a share of 10%, the control group gets no customer from a stratum of four customers. If
    two arms have the same remainder, the customer is assigned to the arm with the larger shortfall in the previous
    strata.

    If `shares` differs from the shares of `keep`, the customers of `keep` and the new customers have different
    probabilities of being in the control group. Measure the lift of these two sets of customers separately, because a
    comparison of all customers would be biased.

    Examples
    --------
    >>> split = split_customers(["c-1", "c-2", "c-3", "c-4"], {"mail": 0.5, "control": 0.5}, seed="spring")
    >>> split
      customer_uid      arm
    0          c-1     mail
    1          c-2     mail
    2          c-3     mail
    3          c-4  control
    >>> split.attrs
    {'shares': {'control': 0.5, 'mail': 0.5}, 'control': 'control', 'seed': 'spring'}
    >>> uids = [f"c-{number}" for number in range(1000)]
    >>> exact = split_customers(uids, {"mail": 0.9, "control": 0.1}, seed="spring", exact=True)
    >>> exact["arm"].value_counts().to_dict()
    {'mail': 900, 'control': 100}
    """
    arms = ArmShares.from_mapping(shares, control)
    seed = _checked_seed(seed)
    check_type(exact, bool, "exact")
    uids = _sorted_uids(customers)
    kept = _kept_arms(keep, uids, arms)
    columns = _stratum_columns(strata, customers, uids)
    hashes = hash_numbers(uids, seed)
    if exact:
        # The stable sort orders customers with equal hashes by uid.
        # Therefore, the result does not depend on the order of `customers`.
        rank = np.argsort(hashes, kind="stable")
        code = assign_exactly(_stratum_codes(columns, len(uids)), rank, np.array(arms.shares), kept)
    else:
        code = np.where(kept >= 0, kept, np.searchsorted(_thresholds(arms), hashes, side="right"))
    split = pd.DataFrame({CUSTOMER: uids.array, ARM: pd.Index(arms.names, dtype="str").take(code).array})
    split = pd.concat([split, columns], axis=1) if len(columns.columns) else split
    split.attrs = {SHARES: arms.to_dict(), CONTROL: arms.control, SEED: seed}
    return split


def hash_numbers(uids: pd.Index, seed: str | int) -> UInt64Array:
    """
    Hash the seed together with each uid (SHA-256), and return the first eight bytes of each hash as an integer.

    Examples
    --------
    >>> hash_numbers(pd.Index(["c-1"]), "spring").tolist() == [
    ...     int(hashlib.sha256(b"spring:c-1").hexdigest()[:16], 16)
    ... ]
    True
    """
    prefix, sha256 = f"{seed}:".encode(), hashlib.sha256
    # Arrow is used because it converts 1,000,000 uids to Python strings in 0.1 s. pandas needs 1 s.
    strings = to_string_array(uids).to_pylist()
    chunks = []
    for start in range(0, len(strings), _CHUNK_SIZE):
        digests = [sha256(prefix + uid.encode()).digest() for uid in strings[start : start + _CHUNK_SIZE]]
        words = np.frombuffer(b"".join(digests), dtype=">u8")
        chunks.append(words[:: _HASH_SIZE // 8].astype(np.uint64))
    return np.concatenate([np.empty(0, dtype=np.uint64), *chunks])


def _thresholds(arms: ArmShares) -> UInt64Array:
    """Return the upper limit of the hash numbers in each arm, except for the last arm."""
    ends = accumulate(arms.shares[:-1])
    return np.array([min(int(end * 2**64), _LARGEST) for end in ends], dtype=np.uint64)


def _checked_seed(seed: object) -> str | int:
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
        return int(seed)
    if not isinstance(seed, str):
        raise wrong_type(seed, "seed", "a string or an integer", hint="For example, pass the name of the campaign.")
    check_text(seed, "seed")
    if not seed.strip():
        raise InputError("`seed` must not be empty. For example, pass the name of the campaign.")
    return seed


def _sorted_uids(customers: Iterable[str] | pd.DataFrame) -> pd.Index:
    """Return the sorted uids of the customers. Raise InputError if a uid is missing or repeated."""
    if isinstance(customers, pd.DataFrame):
        uids = check_uids(customers, CUSTOMER, "customers")
    else:
        if not isinstance(customers, pd.Series | pd.Index):
            customers = as_list(customers, "customers")
        values = pd.Series(np.asarray(customers, dtype=object) if not len(customers) else customers)
        uids = check_uids(values.reset_index(drop=True).to_frame(CUSTOMER), CUSTOMER, "customers")
    strings = to_string_array(uids)
    in_order: pd.Index = pd.Index(strings.take(pa.array(uid_order(strings))).to_pandas(), dtype="str")
    n_repeated = int((in_order[1:] == in_order[:-1]).sum())
    if n_repeated:
        raise InputError(
            f"`customers` must contain each customer only once, but {n_repeated:,} of "
            f"{pluralize(len(in_order), 'uid')} {agree(n_repeated, 'is', 'are')} repeated. "
            "Remove them, for example with drop_duplicates()."
        )
    return in_order


def _kept_arms(keep: pd.DataFrame | None, uids: pd.Index, arms: ArmShares) -> IndexArray:
    """Return each customer's arm in `keep` as a position in `arms.names`. Other customers have the value -1."""
    if keep is None:
        return np.full(len(uids), -1, dtype=np.intp)
    customers, names = read_arms(keep, "keep")
    pairs = pd.DataFrame({CUSTOMER: customers, ARM: names}).drop_duplicates()
    n_conflicts = int(pairs[CUSTOMER].duplicated().sum())
    if n_conflicts:
        raise InputError(
            f"`keep` assigns {pluralize(n_conflicts, 'customer')} to more than one arm. Keep only one row per "
            "customer."
        )
    positions = pd.Index(pairs[CUSTOMER]).get_indexer(uids)
    code = pd.Index(arms.names).get_indexer(pd.Index(pairs[ARM]))
    kept: IndexArray = np.append(code, -1)[positions]
    unknown = pairs[ARM].to_numpy()[positions[(positions >= 0) & (kept < 0)]]
    if len(unknown):
        listed = format_list([safe_repr(name) for name in sorted(set(unknown))], 5)
        raise InputError(
            f"`keep` assigns {pluralize(len(unknown), 'customer')} to arms that `shares` does not contain: {listed}. "
            "Add the arms to `shares`, or remove these rows from `keep` to assign the customers again."
        )
    return kept


def _stratum_columns(strata: Strata, customers: Any, uids: pd.Index) -> pd.DataFrame:
    """Return the columns that define the strata, with one row per uid. Raise InputError if a value is missing."""
    if strata is None:
        return pd.DataFrame(index=pd.RangeIndex(len(uids)))
    if isinstance(strata, str) or not isinstance(strata, pd.DataFrame | pd.Series):
        names = [strata] if isinstance(strata, str) else as_list(strata, "strata")
        if not isinstance(customers, pd.DataFrame):
            raise InputError(
                "`strata` contains column names, but `customers` is not a table. Pass a table with these columns "
                "as `customers`, or pass a table with the column customer_uid as `strata`."
            )
        check_columns(customers.columns, names, "customers")
        strata = customers[[CUSTOMER, *names]]
    elif isinstance(strata, pd.Series):
        strata = strata.to_frame("stratum" if strata.name is None else strata.name)
    columns = match_customers(strata, uids, "strata", place="in `customers`").rows
    reserved = [name for name in columns.columns if name == ARM]
    if reserved:
        raise InputError("`strata` must not have a column 'arm', because the result has one. Rename the column.")
    is_missing = (columns.isna() | columns.isin([""])).any(axis=1)
    n_missing = int(is_missing.sum())
    if n_missing:
        raise InputError(
            f"`strata` has no value for {n_missing:,} of {pluralize(len(uids), 'customer')}. Replace missing values, "
            'for example with fillna("unknown").'
        )
    return columns


def _stratum_codes(columns: pd.DataFrame, n: int) -> IndexArray:
    """Return the stratum number of each customer. Strata are numbered in the order of their first customer."""
    if not len(columns.columns):
        return np.zeros(n, dtype=np.intp)
    groups = columns.groupby(list(columns.columns), sort=False, observed=True)
    return np.asarray(groups.ngroup(), dtype=np.intp)
