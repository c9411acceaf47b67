"""Save result tables to CSV, Excel, and HTML files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.atomic_files import write_text
from frgroups.internals.formatting import format_list
from frgroups.internals.html import render_page
from frgroups.internals.spreadsheet_export import write_table_csv, write_table_workbook
from frgroups.internals.validation import check_type, wrong_type
from frgroups.report.flat_tables import (
    add_group_names,
    flat_table,
    is_overlap_matrix,
    join_cells,
    label_matrix,
    without_time_zones,
)
from frgroups.report.show import show
from frgroups.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    Table = pd.DataFrame | pd.Series | pd.Index


def save_table(table: Table, path: str | Path, *, snapshot: Snapshot | None = None) -> Path:
    """
    Write all rows of a table to a CSV, Excel, or HTML file.

    A group name or other string never runs as a formula when the file is opened in a spreadsheet program. CSV and
    Excel files contain all columns and keep the order of the rows. An HTML page is formatted as by `show`.

    The file is replaced atomically.

    Parameters
    ----------
    table : DataFrame, Series or Index
        A result of frgroups, such as the table that `group_sizes`, `overlap_matrix`, or `Plan.table` returns. Other
        tables are accepted, too.
    path : str or Path
        The file to write. The suffix selects the format: .csv, .xlsx, .html, or .htm. The suffix .xlsx requires the
        extra `notebook` or `excel`. Missing folders are created, and an existing file is replaced.
    snapshot : Snapshot, optional
        Snapshot that contains the names of the groups. If given, a column with the names is added to a table that
        contains only the uids of groups.

    Returns
    -------
    Path
        The absolute path of the file.

    Raises
    ------
    InputError
        `table` is not a DataFrame, a Series, or an Index, the suffix is unknown, the file cannot be written, openpyxl
        is not installed, or the table is larger than an Excel sheet.

    See Also
    --------
    show : Format a table for display.

    Notes
    -----
    An Excel sheet has a frozen header, and columns as wide as their values. Shares and differences of rates are
    numbers with a percentage format. Timestamps are dates in UTC without a time zone, because Excel has no time
    zones.

    A string that starts with a character such as "=" or "+" is prefixed with an apostrophe in CSV files, and it is
    stored in a text cell in Excel files. Invisible characters are escaped.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_table(group_sizes(sample_snapshot()), f"{folder}/sizes.csv")
    ...     print(path.read_text().splitlines()[0])
    "customer_group_uid","name","n_members","n_exclusive","share_exclusive","share_of_customers","share_of_universe"
    """
    if snapshot is not None:
        check_type(snapshot, Snapshot, "snapshot")
    if not isinstance(path, str | Path):
        raise wrong_type(path, "path", "a string or a Path")
    target = Path(path).expanduser().resolve()
    writer = _WRITERS.get(target.suffix.lower())
    if target.is_dir():
        raise InputError(f"`path` must be a file, got the folder {target}. Add a file name, for example table.xlsx.")
    if writer is None:
        known = format_list([*_WRITERS], conjunction="or")
        raise InputError(f"The file name of a table must end in {known}, got {target.name}.")
    try:
        return writer(target, table, snapshot)
    except OSError as error:
        raise InputError(f"Cannot write {target}: {error.strerror or error}.") from error


def _data(table: Table, snapshot: Snapshot | None) -> pd.DataFrame:
    """Return a table with all rows and columns, and with the names of the groups."""
    if isinstance(table, pd.DataFrame) and is_overlap_matrix(table):
        return flat_table(label_matrix(table, snapshot))
    return without_time_zones(join_cells(add_group_names(flat_table(table), snapshot)))


def _write_csv(path: Path, table: Table, snapshot: Snapshot | None) -> Path:
    return write_table_csv(path, _data(table, snapshot))


def _write_workbook(path: Path, table: Table, snapshot: Snapshot | None) -> Path:
    # In other tables, the column names select the number formats.
    # The columns of an overlap matrix are named after groups, so the number format is selected by the measure of the
    # matrix.
    measure = table.attrs.get("measure") if isinstance(table, pd.DataFrame) and is_overlap_matrix(table) else None
    return write_table_workbook(path, _data(table, snapshot), title=path.stem, measure=measure)


def _write_page(path: Path, table: Table, snapshot: Snapshot | None) -> Path:
    css, markup = show(table, top=None, columns="all", snapshot=snapshot).parts()
    page = render_page(
        "report/table_page.html",
        style="report/table_page.css",
        more_style=css,
        scripts=(),
        table=markup,
        title=path.stem,
    )
    return write_text(path, page)


_WRITERS: dict[str, Callable[[Path, Table, Snapshot | None], Path]] = {
    ".csv": _write_csv,
    ".xlsx": _write_workbook,
    ".html": _write_page,
    ".htm": _write_page,
}
