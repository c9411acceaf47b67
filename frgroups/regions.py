"""Which combinations of groups customers are in, and who they are; never all 2^n combinations, only real ones."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from frgroups.advice import ANY, Advice
from frgroups.codes import Codes, codes_of
from frgroups.errors import InputError
from frgroups.inputs import several

Mode = Literal["exclusive", "inclusive"]
Whole = npt.NDArray[np.int64]
# -n, degree, groups, and the memberships (region, group) that may extend them
_Branch = tuple[int, int, tuple[int, ...], Whole, Whole]

OTHER = ("(other)",)
_BITS = 31  # groups told apart in one pass; with a region number beside them they fit 64 bits
_MOST_SETS = 100_000


def intersections(
    data: Any,
    groups: Iterable[str] | None = None,
    *,
    mode: Mode = "exclusive",
    top: int | None = None,
) -> pd.DataFrame:
    """
    How many customers are in each combination of the chosen groups: the table behind an UpSet plot.

    Parameters
    ----------
    data
        A Snapshot, a frame of memberships (customer_group_uid, customer_uid), or such a table that speaks Arrow.
    groups
        The groups to combine, by uid or unique name; None takes all. The others do not exist here.
    mode
        "exclusive": customers in exactly these of the chosen groups. Every customer counts once, so the rows
        add up to the customers in any chosen group.
        "inclusive": customers in all of these groups, whatever else they are in. One customer counts in
        many rows; the rows do not add up.
    top
        Only the rows with the most customers; what is cut goes to one last row.

    Returns
    -------
    DataFrame
        Only combinations that somebody is in, the largest first (then the fewest groups, then uid order).
        groups (tuple of uids, in uid order); degree (`int64`, how many groups); n (`int64`, customers);
        share (`float64`, n of the customers in any chosen group). Where `top` cut something, a last row
        ("(other)",) of degree 0 holds the customers who are in none of the rows above.

    Raises
    ------
    InputError
        An unknown mode or group, a negative `top`, or more than 100,000 inclusive combinations without `top`.

    >>> intersections(sample_snapshot())
           groups  degree    n     share
    0      (all,)       1  248  0.988048
    1  (all, vip)       2    2  0.007968
    2    (staff,)       1    1  0.003984
    >>> intersections(sample_snapshot(), mode="inclusive", top=2)
           groups  degree    n     share
    0      (all,)       1  250  0.996016
    1      (vip,)       1    2  0.007968
    2  ((other),)       0    1  0.003984
    """
    if mode not in ("exclusive", "inclusive"):
        raise InputError(f"mode={mode!r} is neither 'exclusive' nor 'inclusive'.")
    if top is not None and top < 0:
        raise InputError(f"top={top} is negative; leave it out for all rows.")
    codes = codes_of(data).select(groups)
    regions = _Regions.of(codes)
    found = regions.exclusive(top) if mode == "exclusive" else regions.inclusive()
    # One more than asked for tells whether anything is cut.
    limit = _MOST_SETS if top is None and mode == "inclusive" else top
    rows = list(islice(found, None if limit is None else limit + 1))
    if top is None and limit is not None and len(rows) > limit:
        raise InputError(
            f"Customers are in more than {_MOST_SETS:,} combinations of these {codes.n_groups} groups.",
            Advice("Say {top}, or choose fewer groups.", top=ANY),
        )
    cut = top is not None and len(rows) > top
    rows = rows[:top]
    n = [row.n for row in rows] + [regions.n_customers - regions.n_in(rows)] * cut
    uids = [tuple(codes.group_uids.take(list(row.groups))) for row in rows] + [OTHER] * cut
    return pd.DataFrame(
        {
            "groups": pd.Series(uids, dtype=object),
            "degree": np.array([len(row.groups) for row in rows] + [0] * cut, dtype=np.int64),
            "n": np.array(n, dtype=np.int64),
            "share": np.array(n, dtype=np.float64) / max(regions.n_customers, 1),
        }
    )


def region_members(data: Any, *, include: Iterable[str], exclude: Iterable[str] = ()) -> pd.Index:
    """
    The uids of the customers that are in every group of `include` and none of `exclude`, in uid order.

    Groups go by uid or unique name. Without any group in `include`, all customers of `data` are looked at.

    >>> list(region_members(sample_snapshot(), include=["VIP", "all"]))
    ['c-1', 'c-2']
    >>> len(region_members(sample_snapshot(), include=["all"], exclude=["vip"]))
    248
    """
    include, exclude = several(include, "include"), several(exclude, "exclude")
    codes = codes_of(data)
    inside = np.ones(codes.n_customers, dtype=np.bool_)
    for group in include:
        mask = np.zeros_like(inside)
        mask[codes.member_codes(group)] = True
        inside &= mask
    for group in exclude:
        inside[codes.member_codes(group)] = False
    return codes.customer_uids[inside].rename("customer_uid")


class _Row(NamedTuple):
    """A combination of groups; sorts as the table does."""

    minus_n: int
    degree: int
    groups: tuple[int, ...]
    regions: Whole

    @property
    def n(self) -> int:
        return -self.minus_n


@dataclass(frozen=True, eq=False)
class _Regions:
    """
    The customers by exactly which groups they are in: far fewer regions than customers, as a rule.

    Region `region[i]` has group `group[i]`; rows rise by region, then by group.
    """

    n: Whole
    region: Whole
    group: Whole

    @classmethod
    def of(cls, codes: Codes) -> _Regions:
        number: Whole = np.zeros(codes.n_customers, dtype=np.int64)
        for first in range(0, codes.n_groups, _BITS):
            word = np.zeros_like(number)
            for group in range(first, min(first + _BITS, codes.n_groups)):
                word[codes.customer_code[codes.starts[group] : codes.starts[group + 1]]] |= 1 << (group - first)
            number = pd.factorize(number << _BITS | word)[0].astype(np.int64)
        n = np.bincount(number)
        example = np.zeros(len(n), dtype=np.int64)
        example[number] = np.arange(len(number))
        kept = example[number[codes.customer_code]] == codes.customer_code
        region, group = number[codes.customer_code[kept]], codes.group_code[kept].astype(np.int64)
        order = np.argsort(region, kind="stable")
        return cls(n.astype(np.int64), region[order], group[order])

    @property
    def n_customers(self) -> int:
        """Customers in any of the groups."""
        return int(self.n[np.unique(self.region)].sum())

    def n_in(self, rows: list[_Row]) -> int:
        """Customers in any of these rows."""
        return int(self.n[np.unique(np.concatenate([row.regions for row in rows]))].sum()) if rows else 0

    def exclusive(self, top: int | None) -> Iterator[_Row]:
        """The regions themselves; with `top`, at least the largest top + 1."""
        wanted, starts = np.unique(self.region, return_index=True)
        ends = np.append(starts, len(self.region))[1:]
        if top is not None and top + 1 < len(wanted):
            least = np.partition(self.n[wanted], -(top + 1))[-(top + 1)]
            large = self.n[wanted] >= least
            wanted, starts, ends = wanted[large], starts[large], ends[large]
        groups = self.group.tolist()
        rows = [
            _Row(-int(self.n[region]), int(end - start), tuple(groups[start:end]), np.array([region]))
            for region, start, end in zip(wanted, starts, ends, strict=True)
        ]
        return iter(sorted(rows, key=lambda row: row[:3]))

    def inclusive(self) -> Iterator[_Row]:
        """
        Every set of groups that a customer is in, the largest first.

        A set has no more customers than any set it extends, so a heap of the sets that extend what came
        so far holds the next one on its top (best-first search, as for frequent item sets).
        """
        heap = self._extended((), self.region, self.group)
        heapq.heapify(heap)
        while heap:
            minus_n, degree, groups, region, group = heapq.heappop(heap)
            inside = region[group == groups[-1]]
            yield _Row(minus_n, degree, groups, inside)
            keep = (group > groups[-1]) & np.isin(region, inside)
            for longer in self._extended(groups, region[keep], group[keep]):
                heapq.heappush(heap, longer)

    def _extended(self, groups: tuple[int, ...], region: Whole, group: Whole) -> list[_Branch]:
        n = np.bincount(group, weights=self.n[region])
        return [(-int(n[more]), len(groups) + 1, (*groups, int(more)), region, group) for more in np.flatnonzero(n)]
