"""Write a review as CSV or as an Excel workbook in which all cells are text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import escape_invisible
from frgroups.internals.spreadsheet_export import MAX_ROWS, protect_cell, text_cells, text_style
from frgroups.internals.workbooks import import_openpyxl
from frgroups.plan.plan import Plan
from frgroups.review.customer_names import WATERMARK
from frgroups.review.excluded_customers import excluded_operations
from frgroups.review.plan_sentences import operations_table, readable_operations
from frgroups.review.plan_status import Notice, PlanStatus
from frgroups.review.sections import Section, review_sections
from frgroups.snapshot.snapshot import Snapshot

_ID_COLUMNS = ["customer_group_uid", "customer_uid", "external_id", "pricelist_uid"]


def review_csv(plan: Plan, personal: Snapshot | None = None, status: PlanStatus | None = None) -> str:
    """
    Return all operations of a plan as CSV that is safe to open in a spreadsheet program.

    The changes that the plan leaves out follow the operations. In these rows, the column `change` contains "not
    added" or "not removed", and the column `finding` contains the reason.

    If the plan was started, the column `result` contains the state of each change as in `Receipt.table`. If a run was
    interrupted, the state "accepted" means that the change was not read back yet. The column `result_detail` contains
    the reason.

    Invisible characters in names and other texts are escaped. Ids do not change, so that they can be looked up.

    A value is prefixed with an apostrophe if a spreadsheet program would run it as a formula or convert it to a
    number or a date, or if the value already starts with an apostrophe. To restore the original value, remove the
    first apostrophe.

    Examples
    --------
    >>> print(review_csv(plan_memberships(sample_snapshot(), {"vip": ["c-7"]})).splitlines()[0][:57])
    "customer_group_uid","group_name","customer_uid","change"
    """
    table = operations_table(plan, personal, None if status is None else status.results)
    if plan.excluded_changes:
        table = pd.concat([table, excluded_operations(plan, table.columns)], ignore_index=True)
    for name in table.columns.difference(_ID_COLUMNS):
        table[name] = table[name].map(escape_invisible)
    text = io.StringIO()
    # Quote every cell, because some programs would otherwise split a value that contains a semicolon into two cells.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows([[protect_cell(value) for value in row] for row in table.to_numpy().tolist()])
    return text.getvalue()


def write_workbook(
    path: Path,
    plan: Plan,
    personal: Snapshot | None = None,
    status: PlanStatus | None = None,
    notices: Sequence[Notice] = (),
) -> None:
    """
    Write the review as a workbook with the sheets "Review" and "Changes".

    Each cell is stored as text with the number format "@" and a quote prefix, so that Excel does not change values
    such as `=1+1` and `0150`.

    Raises
    ------
    InputError
        openpyxl is not installed, or the plan has more operations than a sheet can contain.
    """
    table = operations_table(plan, personal, None if status is None else status.results)
    if len(table) > MAX_ROWS:
        raise InputError(
            f"An Excel sheet can contain {MAX_ROWS:,} changes, but the plan has {len(table):,}. Use the suffix .csv."
        )
    book = _new_workbook()
    # `erase_customer` uses these document properties to identify reviews.
    # Excel does not change the properties when a user saves the file.
    book.properties.title = f"Review of plan {plan.digest[:12]}"
    book.properties.subject = f"Tenant {escape_invisible(plan.tenant_uid)}"
    book.properties.creator = "frgroups"
    _write_review_sheet(book.create_sheet("Review"), review_sections(plan, personal, status, notices))
    if len(table):
        _write_operations_sheet(book.create_sheet("Changes"), readable_operations(table))
    if personal is not None:
        for sheet in book.worksheets:
            sheet.oddHeader.center.text = sheet.oddFooter.center.text = WATERMARK
    book.save(path)


def _new_workbook() -> Any:
    try:
        openpyxl = import_openpyxl()
    except InputError as error:
        raise InputError(f"{error.message} Alternatively, use the suffix .csv.") from error
    return openpyxl.Workbook(write_only=True)


def _write_review_sheet(sheet: Any, sections: Iterable[Section]) -> None:
    plain, bold = text_style(sheet), text_style(sheet, bold=True)
    sheet.column_dimensions["A"].width = 48
    for letter in "BCDEFGHIJK":
        sheet.column_dimensions[letter].width = 24
    for section in sections:
        if section.is_all:
            sheet.append(text_cells(sheet, [f"{section.title}: see the sheet Changes"], bold))
            for line in section.lines:
                sheet.append(text_cells(sheet, [line], plain))
            continue
        sheet.append(text_cells(sheet, [section.title], bold))
        for alarm in section.alarms:
            sheet.append(text_cells(sheet, [alarm], bold))
        for line in section.lines:
            sheet.append(text_cells(sheet, [line], plain))
        if section.table is not None:
            sheet.append(text_cells(sheet, section.table.columns, bold))
            for row in section.table.itertuples(index=False, name=None):
                sheet.append(text_cells(sheet, row, plain))
        sheet.append([])


def _write_operations_sheet(sheet: Any, table: pd.DataFrame) -> None:
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{chr(ord('A') + len(table.columns) - 1)}{len(table) + 1}"
    for index in range(len(table.columns)):
        sheet.column_dimensions[chr(ord("A") + index)].width = 24
    sheet.append(text_cells(sheet, table.columns, text_style(sheet, bold=True)))
    plain = text_style(sheet)
    for row in table.itertuples(index=False, name=None):
        sheet.append(text_cells(sheet, row, plain))
