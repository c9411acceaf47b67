"""Arms of a split: the planned share of customers in each arm, and the arm of each customer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from frgroups.analysis.customer_tables import CUSTOMER
from frgroups.errors import InputError
from frgroups.internals.formatting import agree, format_list, format_percentage
from frgroups.internals.redaction import safe_repr
from frgroups.internals.typing import FloatArray, IndexArray, IntArray
from frgroups.internals.validation import check_columns, check_share, check_text, check_type, wrong_type
from frgroups.snapshot.membership_matrix import check_uids

ARM = "arm"
SHARES, CONTROL, SEED = "shares", "control", "seed"  # Keys in `attrs` of a `split_customers` result.
_MAX_ERROR = 1e-9  # Tolerance for rounding errors in the sum of the shares.


@dataclass(frozen=True, slots=True)
class ArmShares:
    """
    The arms of a split and the planned share of customers in each arm.

    The control arm is first, and the other arms are sorted by name. Therefore, the order in which the caller lists
    the arms does not affect the assignment of customers.

    Attributes
    ----------
    names
        Names of the arms.
    shares
        Planned share of each arm.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]

    @classmethod
    def from_mapping(cls, shares: object, control: object) -> ArmShares:
        """Create the arms from a mapping of arm names to shares. Raise InputError if an argument is invalid."""
        if not isinstance(shares, Mapping):
            raise wrong_type(
                shares,
                "shares",
                "a mapping of arms to shares",
                hint='For example, pass {"mail": 0.9, "control": 0.1}.',
            )
        for name, share in shares.items():
            check_text(name, "shares")
            if not name.strip():
                raise InputError("`shares` contains an arm without a name. Name each arm.")
            check_share(share, f"shares[{safe_repr(name)}]")
        if len(shares) < 2:
            raise InputError(f"`shares` must contain at least two arms, got {len(shares)}.")
        total = math.fsum(shares.values())
        if abs(total - 1) > _MAX_ERROR:
            raise InputError(f"`shares` must sum to 1, got {total:g}. Change the shares of the arms.")
        if control not in shares:
            raise InputError(
                f"`control` must be one of the arms {format_list([repr(name) for name in shares])}, "
                f"got {safe_repr(control)}.",
                hint="Pass control= with the name of the arm that receives no campaign.",
            )
        names = (str(control), *sorted(str(name) for name in shares if name != control))
        return cls(names, tuple(float(shares[name]) for name in names))

    @property
    def control(self) -> str:
        """Name of the control arm."""
        return self.names[0]

    def to_dict(self) -> dict[str, float]:
        """Return a dictionary that maps each arm name to the planned share of the arm."""
        return dict(zip(self.names, self.shares, strict=True))


@dataclass(frozen=True, eq=False, slots=True)
class SplitTable:
    """
    The customers of a split and their arms.

    Attributes
    ----------
    arms
        The arms and their planned shares.
    customers
        Unique customer uids.
    code
        Position of each customer's arm in `arms.names`.
    """

    arms: ArmShares
    customers: pd.Index
    code: IndexArray

    @classmethod
    def from_frame(cls, split: object, shares: object = None, control: object = None) -> SplitTable:
        """
        Create a SplitTable from the result of `split_customers`, or from a table with the same columns.

        If `shares` or `control` is None, its value is read from `split.attrs`.
        """
        if not isinstance(split, pd.DataFrame):
            raise wrong_type(split, "split", "a DataFrame with the columns customer_uid and arm")
        customers, names = read_arms(split, "split")
        if n_repeated := int(customers.duplicated().sum()):
            raise InputError(
                f"`split` must have one row per customer, but {n_repeated:,} of {len(customers):,} rows repeat a uid."
            )
        if shares is None:
            shares = split.attrs.get(SHARES)
        if shares is None:
            raise InputError(
                "The attrs of `split` do not contain the planned shares. For example, attrs are lost if a table is "
                "saved to a file.",
                hint='Pass the shares of split_customers again, for example shares={"mail": 0.9, "control": 0.1}.',
            )
        if control is None:
            control = planned_control(split)
        arms = ArmShares.from_mapping(shares, control)
        code = pd.Index(arms.names).get_indexer(pd.Index(names))
        unknown = sorted(names[code < 0].unique())
        if unknown:
            raise InputError(
                f"`split` contains {agree(len(unknown), 'the arm', 'the arms')} "
                f"{format_list([safe_repr(name) for name in unknown], 5)}, but `shares` does not. "
                "Pass the share of each arm in `shares`."
            )
        return cls(arms, pd.Index(customers), code)

    @property
    def sizes(self) -> IntArray:
        """Number of customers in each arm."""
        return np.bincount(self.code, minlength=len(self.arms.names)).astype(np.int64)

    @property
    def actual_shares(self) -> FloatArray:
        """Share of the split's customers in each arm. All shares are NaN if the split contains no customers."""
        with np.errstate(invalid="ignore"):
            return self.sizes / np.float64(len(self.customers))


def planned_control(split: pd.DataFrame) -> str:
    """
    Return the name of the control arm from the attrs of a split, or "control" if the attrs contain no name.

    Examples
    --------
    >>> split = split_customers(["c-1", "c-2"], {"mail": 0.5, "none": 0.5}, seed="spring", control="none")
    >>> planned_control(split), planned_control(pd.DataFrame())
    ('none', 'control')
    """
    control: str = split.attrs.get(CONTROL, "control")
    return control


def read_arms(table: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    """Return the columns customer_uid and arm of a table. Raise InputError if a value is missing."""
    check_type(table, pd.DataFrame, name)
    check_columns(table.columns, [CUSTOMER, ARM], name)
    customers = check_uids(table, CUSTOMER, name)
    arms = table[ARM]
    n_missing = int(arms.isna().sum())
    if n_missing:
        raise InputError(
            f"The column 'arm' of `{name}` has {n_missing:,} {agree(n_missing, 'row', 'rows')} without an arm. "
            "Remove these rows, or add the arm."
        )
    return customers.reset_index(drop=True), arms.astype("str").reset_index(drop=True)


def format_shares(names: tuple[str, ...], shares: FloatArray | tuple[float, ...]) -> str:
    """
    Format the names and shares of arms for use in a message.

    Examples
    --------
    >>> format_shares(("control", "mail"), (0.1, 0.9))
    'control 10% and mail 90%'
    """
    return format_list([f"{name} {format_percentage(share, 2)}" for name, share in zip(names, shares, strict=True)])
