"""The rows of a profile: the values of one attribute among two sets of customers, counted, compared, and hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from frgroups.profile.attributes import NUMBER, Attribute
from frgroups.profile.effects import Numbers, cohens_h, p_of_means, p_of_shares, standardised_difference
from frgroups.suppression import hidden_rows

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Row = dict[str, Any]

OTHER, SUPPRESSED = "(other)", "(suppressed)"


@dataclass(frozen=True, eq=False)
class Sides:
    """The customers to compare; they are never the same ones, so that a test may be made."""

    inside: Mask
    others: Mask
    whole: bool = False  # whether the reference is both of them together

    @property
    def reference(self) -> Mask:
        """Whom the group is compared with."""
        return self.inside | self.others if self.whole else self.others


def rows_of(attribute: Attribute, sides: Sides, min_count: int, top: int | None) -> list[Row]:
    """The rows of one attribute, in their order."""
    n_labels = len(attribute.labels)
    n_in = np.bincount(attribute.code[sides.inside], minlength=n_labels)
    n_others = np.bincount(attribute.code[sides.others], minlength=n_labels)
    there = np.flatnonzero(n_in + n_others)
    hide = hidden_rows(n_in[there], n_others[there], min_count=min_count, top=top)
    keep, rest = there[~hide], there[hide]
    rows = _counted([attribute.labels[code] for code in keep], n_in[keep], n_others[keep], sides)
    rows = sorted((row | _means(attribute, row["value"], sides) for row in rows), key=_by_strength)
    if len(rest) and not len(keep):
        rows.append({"value": SUPPRESSED, "suppressed": True})
    elif len(rest) and top is not None and len(there) > top:
        rows += _counted([OTHER], n_in[rest].sum(keepdims=True), n_others[rest].sum(keepdims=True), sides)
    else:
        rows += [{"value": label, "suppressed": True} for label in sorted(attribute.labels[code] for code in rest)]
    return [{"attribute": attribute.name, "kind": attribute.kind} | row for row in rows]


def _counted(labels: list[str], n_in: Counts, n_others: Counts, sides: Sides) -> list[Row]:
    """Rows from the counts alone."""
    size_in, size_others = int(sides.inside.sum()), int(sides.others.sum())
    n_ref, size_ref = (n_in + n_others, size_in + size_others) if sides.whole else (n_others, size_others)
    with np.errstate(divide="ignore", invalid="ignore"):
        share_in, share_ref = n_in / np.float64(size_in), n_ref / np.float64(size_ref)
        columns = {
            "value": labels,
            "n_in": n_in,
            "share_in": share_in,
            "n_ref": n_ref,
            "share_ref": share_ref,
            "index": 100 * np.where(share_ref > 0, share_in / share_ref, np.nan),
            "difference_pp": 100 * (share_in - share_ref),
            "effect_size": cohens_h(share_in, share_ref),
            "p_value": p_of_shares(n_in, size_in, n_others, size_others),
        }
    return [dict(zip(columns, row, strict=True), suppressed=False) for row in zip(*columns.values(), strict=True)]


def _means(attribute: Attribute, label: str, sides: Sides) -> Row:
    """What the row of those who have a number tells of the numbers."""
    if attribute.numbers is None or label != NUMBER:
        return {}
    known = attribute.code == attribute.labels.index(NUMBER)
    inside = Numbers.of(attribute.numbers[sides.inside & known])
    reference = Numbers.of(attribute.numbers[sides.reference & known])
    others = Numbers.of(attribute.numbers[sides.others & known])
    return {
        "index": 100 * inside.mean / reference.mean if reference.mean > 0 else np.nan,
        "difference_pp": np.nan,
        "effect_size": standardised_difference(inside, reference),
        "p_value": p_of_means(inside, others),
        "mean_in": inside.mean,
        "mean_ref": reference.mean,
        "median_in": inside.median,
        "median_ref": reference.median,
    }


def _by_strength(row: Row) -> tuple[bool, float, str]:
    # Rounded, since yes and no are of one strength.
    strength = round(abs(row["effect_size"]), 12)
    return np.isnan(strength), -strength, row["value"]
