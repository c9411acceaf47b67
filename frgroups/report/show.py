"""Show result tables in notebooks and terminals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from frgroups.internals.validation import check_number, check_type, wrong_type
from frgroups.report.table_format import FormattedColumn, FormattedTable, format_table
from frgroups.report.text_layout import table_text
from frgroups.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from markupsafe import Markup
    from pandas.io.formats.style import Styler
    from pandas.io.formats.style_render import CSSDict

# Use transparent or inherited colors, so that tables are legible on light and dark backgrounds.
_LINE = "1px solid rgba(128, 128, 128, 0.35)"
_STYLES: list[CSSDict] = [
    {"selector": "", "props": "border-collapse: collapse; table-layout: auto; margin: 0; color: inherit;"},
    {
        "selector": "th, td",
        "props": f"padding: 0.3em 0.7em; text-align: left; border-bottom: {_LINE}; color: inherit;",
    },
    {"selector": "th", "props": "font-weight: bold; vertical-align: bottom;"},
    {"selector": "td", "props": "vertical-align: top;"},
    {
        "selector": "caption",
        "props": "caption-side: bottom; text-align: left; padding: 0.4em 0.7em; color: inherit; font-size: 0.9em;",
    },
]
_NUMBERS = "text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap;"
_SHORT_TEXTS = "white-space: nowrap;"
_LONG_TEXTS = "white-space: normal; min-width: 12em; max-width: 28em;"
_MATRIX_CELLS = "text-align: right; white-space: normal; overflow-wrap: break-word; min-width: 5em; max-width: 9em;"
_MAX_LENGTH = 24
# Make columns with several sentences per cell wider, so that the rows are not too high.
_VERY_LONG_TEXTS = "white-space: normal; min-width: 22em; max-width: 40em;"
_SEVERAL_SENTENCES = 120
_BAR = "76, 139, 213"
_BAR_COLOR = f"var(--frgroups-bar-color, rgba({_BAR}, 0.35))"
# The last two classes prevent MathJax from typesetting cells such as $x$ as formulas.
_CLASSES = "frgroups-table tex2jax_ignore mathjax_ignore"


@dataclass(frozen=True, repr=False)
class ShownTable:
    """
    A formatted table, displayed as HTML in notebooks and as aligned text elsewhere.

    Use `show` to create an instance. The method `html` returns the HTML, `text` returns the aligned text, and
    `styler` returns a pandas Styler.

    Attributes
    ----------
    formatted
        The displayed rows and columns as text.
    """

    formatted: FormattedTable

    def text(self) -> str:
        """
        Return the table as aligned text.

        Examples
        --------
        >>> print(show(pd.DataFrame({"name": ["VIP"], "n": [1200]})).text())
        name      n
        VIP   1,200
        1 row
        """
        return table_text(self.formatted)

    def html(self) -> str:
        """
        Return the table as HTML in which all cells are escaped.

        Examples
        --------
        >>> "&lt;b&gt;" in show(pd.DataFrame({"name": ["<b>"]})).html()
        True
        """
        css, table = self.parts()
        # With `tabindex`, keyboard users can focus a wide table and scroll it.
        attributes = f'class="{_CLASSES}" style="overflow-x: auto" role="group" aria-label="Table" tabindex="0"'
        return f"<style>{css}</style><div {attributes}>{table}</div>"

    def parts(self) -> tuple[str, Markup]:
        """
        Return the style sheet and the HTML table separately, so that a page can contain the style sheet in its head.

        Examples
        --------
        >>> css, table = show(pd.DataFrame({"n": [1]})).parts()
        >>> table.startswith("<table")
        True
        """
        from markupsafe import Markup

        head, _, table = self.styler().to_html().partition("</style>")
        return head.partition(">")[2].strip(), Markup(table.strip())  # noqa: S704  # The Styler escapes all texts.

    def styler(self) -> Styler:
        """
        Return the table as a pandas Styler in which all cells are escaped.

        Examples
        --------
        >>> type(show(pd.DataFrame({"n": [1]})).styler()).__name__
        'Styler'
        """
        from markupsafe import escape
        from pandas.io.formats.style import Styler

        columns = self.formatted.columns
        cells = pd.DataFrame({number: column.cells for number, column in enumerate(columns)}, dtype="object")
        key = repr([(column.header, column.cells) for column in columns]).encode()
        # With `cell_ids=False`, only cells with a style have an id. This makes the HTML smaller.
        styler = Styler(cells, uuid=hashlib.sha256(key).hexdigest()[:8], cell_ids=False)
        styler.set_table_styles(_STYLES)
        column_styles: dict[Any, list[CSSDict]] = {
            number: [{"selector": "", "props": _column_style(column, is_matrix=self.formatted.is_matrix)}]
            for number, column in enumerate(columns)
        }
        styler.set_table_styles(column_styles, overwrite=False)
        styler.format(lambda text: str(escape(text)))
        headers = {number: str(escape(column.header)) for number, column in enumerate(columns)}
        styler.format_index(lambda number: headers[number], axis=1)  # type: ignore[index]  # The labels are integers.
        styler.apply(self._bars, axis=None)
        notes = " ".join(note if note.endswith(".") else f"{note}." for note in self.formatted.notes)
        return styler.hide(axis="index").set_caption(str(escape(notes)))

    def _bars(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Return a table with the CSS of each cell, which draws the bar or the shade of the cell."""
        css = pd.DataFrame("", index=cells.index, columns=cells.columns)
        for number, column in enumerate(self.formatted.columns):
            if column.bars is not None:
                css[number] = [_bar_style(length, is_shade=self.formatted.is_matrix) for length in column.bars]
        return css

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()


def _bar_style(length: float, *, is_shade: bool) -> str:
    if is_shade:
        return f"background: rgba({_BAR}, {0.6 * length:.2f})"
    # The colored part of the gradient is the bar. It is as high as one line of text.
    gradient = f"linear-gradient(90deg, {_BAR_COLOR} {length:.1%}, transparent {length:.1%})"
    return f"background: {gradient} no-repeat 0 0.25em / 100% 1.3em"


def _column_style(column: FormattedColumn, *, is_matrix: bool) -> str:
    if is_matrix and column.is_number:
        return _MATRIX_CELLS
    texts = (column.header, *column.cells)
    if max(map(len, texts)) <= _MAX_LENGTH:
        style = _NUMBERS if column.is_number else _SHORT_TEXTS
        return style if column.bars is None else f"{style} min-width: 5em;"
    style = _VERY_LONG_TEXTS if max(map(len, texts)) > _SEVERAL_SENTENCES else _LONG_TEXTS
    # Break words only in columns that contain very long words, so that other columns stay readable.
    if any(len(word) > _MAX_LENGTH for text in texts for word in text.split()):
        style = f"{style} overflow-wrap: anywhere;"
    return f"{style} text-align: right;" if column.is_number else style


def show(
    table: pd.DataFrame | pd.Series | pd.Index,
    top: int | None = 10,
    *,
    sort: str | Literal[False] | None = None,
    columns: Iterable[str] | Literal["all"] | None = None,
    snapshot: Snapshot | None = None,
) -> ShownTable:
    """
    Format a result table for display, with the most important rows first.

    Groups are shown by name, counts have thousands separators, and shares are percentages. Differences of rates are
    in percentage points ("pp"). In a profile, the value of a number is its mean in the group and in the reference.
    Columns without values are omitted. The table itself does not change.

    Parameters
    ----------
    table : DataFrame, Series or Index
        A result of frgroups, such as the table that `group_sizes`, `overlap_matrix`, or `Plan.table` returns. Other
        tables are accepted, too.
    top : int or None, default 10
        Maximum number of rows. None shows all rows. An overlap matrix has at most this number of rows and columns.
    sort : str or False, optional
        Column to sort by. Numbers and times are sorted in descending order, and texts in ascending order. False keeps
        the order of the table. None, the default, sorts by importance. See the Notes.
    columns : iterable of str or "all", optional
        Columns to show, in this order. "all" shows all columns that are not empty. None, the default, also omits
        details, such as p_over, median_in, and the paths of files. A note below the table names these columns. The
        column base_url is shown if the rows have different hosts.
    snapshot : Snapshot, optional
        Snapshot that contains the names of the groups. It is needed only for tables without group names, such as the
        results of `membership_changes`, `intersections`, `overlap_matrix`, and `Plan.table`.

    Returns
    -------
    ShownTable
        An object that notebooks display as HTML, and that is aligned text elsewhere. Its methods `html`, `text`, and
        `styler` return these forms.

    Raises
    ------
    InputError
        `table` is not a DataFrame, a Series, or an Index, `top` is not a positive integer, or the table lacks a
        column.

    See Also
    --------
    save_table : Write all rows of a table to a CSV, Excel, or HTML file.

    Notes
    -----
    The columns of a table determine its order. Rows with equal values keep their order.

    - Pairs of groups: the largest Jaccard index, or else the largest share, then the largest n_both.
    - Group changes: the largest sum of n_joined and n_left. Flows: moves between groups first, then the largest n.
    - Profiles and comparisons: the largest absolute effect_size. Balance of a split: the sample-ratio test first.
    - Lift of a campaign: the control first.
    - Health findings: by severity, then the largest n. Reads: by verdict, worst first, then the largest n_rows.
    - Membership changes, plans, and receipts: failed changes and changes with a finding first, then the groups with
      the most rows.
    - Campaigns: the largest n_shadowed.
    - Set cover and incremental reach: by step. Clusters: by cluster, then the largest n_members.
    - Size history, customer history, stored snapshots, and plans: the latest first.
    - Overlap matrices: the largest groups first if the measure is a count, otherwise the groups with the largest mean
      overlap.
    - Other tables: the largest value in the first of these columns that the table contains: n_members, n,
      n_reachable, n_both, share, lift, net, size_bytes, n_customers, count. If it contains none of them, the latest
      time is first. A table without these columns and times keeps its order.

    Missing values are shown as "–". If a table contains suppressed counts, a note below it states that "–" means
    suppressed, and whether it can also mean undefined.

    Examples
    --------
    >>> show(group_sizes(sample_snapshot()), top=2)
    name         n_members  n_exclusive  share_exclusive  share_of_customers
    All members        250          248            99.2%               99.6%
    VIP                  2            0             0.0%                0.8%
    2 of 3 rows
    """
    if top is not None:
        check_number(top, "top", above=0, whole=True)
    if snapshot is not None:
        check_type(snapshot, Snapshot, "snapshot")
    if not (sort is None or sort is False or isinstance(sort, str)):
        raise wrong_type(sort, "sort", "a column name, False, or None")
    return ShownTable(format_table(table, top=top, sort=sort, columns=columns, snapshot=snapshot))
