"""Counts of attribute values and statistics of numeric attributes, for a group and for its reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from frgroups.analysis.attributes import NUMBER, Attribute, Kind
from frgroups.analysis.disclosure_control import NO_OMITTED_VALUES, OmittedValues
from frgroups.analysis.effect_sizes import Moments
from frgroups.errors import InputError
from frgroups.internals.typing import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Sides:
    """
    The customers in a group, and the other customers in the comparison.

    No customer is in both sets, because tests of a difference require independent sets. If `with_inside` is True, the
    reference consists of both sets. Otherwise, it consists of the other customers.
    """

    inside: BoolArray
    others: BoolArray
    with_inside: bool = False

    @property
    def reference(self) -> BoolArray:
        """A mask that is True for each customer in the reference."""
        if self.with_inside:
            return self.inside | self.others
        return self.others

    @property
    def sizes(self) -> SideSizes:
        """The number of customers in the group, and the number of other customers."""
        return SideSizes(int(self.inside.sum()), int(self.others.sum()), self.with_inside)


class SideSizes(NamedTuple):
    """The numbers of customers in the group and outside it. `with_inside` is True if the reference contains both."""

    n_in: int
    n_others: int
    with_inside: bool


class SideMoments(NamedTuple):
    """The mean, median, and variance of a numeric attribute for the group, other customers, and the reference."""

    inside: Moments
    others: Moments
    reference: Moments


@dataclass(frozen=True, eq=False)
class AttributeCounts:
    """
    The values of an attribute, and the numbers of customers with each value in the group and outside it.

    Attributes
    ----------
    name, kind
        Name and kind of the attribute.
    labels
        The values. A numeric attribute has only the values "(number)" and "(missing)". Other values are sorted.
    n_in, n_others
        For each value, the number of customers in the group, and the number of other customers.
    moments
        The mean, median, and variance of a numeric attribute. None for other attributes.
    omitted
        The total counts of the values that a query engine did not return.
    """

    name: str
    kind: Kind
    labels: list[str]
    n_in: IntArray
    n_others: IntArray
    moments: SideMoments | None = None
    omitted: OmittedValues = NO_OMITTED_VALUES

    @classmethod
    def from_attribute(cls, attribute: Attribute, sides: Sides) -> AttributeCounts:
        """Count the values of an attribute in memory."""
        n_labels = len(attribute.labels)
        n_in = np.bincount(attribute.code[sides.inside], minlength=n_labels)
        n_others = np.bincount(attribute.code[sides.others], minlength=n_labels)
        occurring = np.flatnonzero(n_in + n_others)
        labels = [attribute.labels[code] for code in occurring]
        moments = _measure_numbers(attribute, sides)
        return cls(attribute.name, attribute.kind, labels, n_in[occurring], n_others[occurring], moments)


def all_in_group(n_customers: int) -> InputError:
    """Return the error for a reference whose customers are all in the group."""
    return InputError(
        f"`versus` must contain customers who are not in `group`, but all {n_customers:,} customers are in `group`."
    )


def _measure_numbers(attribute: Attribute, sides: Sides) -> SideMoments | None:
    """Compute the mean, median, and variance of an attribute. Return None if the attribute is not numeric."""
    if attribute.numbers is None:
        return None
    known = attribute.code == attribute.labels.index(NUMBER)
    masks = sides.inside, sides.others, sides.reference
    return SideMoments(*(Moments.from_values(attribute.numbers[mask & known]) for mask in masks))
