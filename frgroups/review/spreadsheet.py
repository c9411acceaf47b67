"""The review for a spreadsheet, as CSV and as an Excel workbook, in which no cell is ever run or recounted."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pandas as pd

from frgroups.errors import InputError
from frgroups.internals.formatting import escape_invisible
from frgroups.plan.plan import Plan
from frgroups.review import plan_text as facts
from frgroups.review.customer_names import WATERMARK
from frgroups.review.outline import outline
from frgroups.snapshot.snapshot import Snapshot

# What Excel holds at most.
CELL, ROWS = 32_767, 1_048_575


def review_csv(plan: Plan, personal: Snapshot | None = None) -> str:
    """
    Every operation as CSV, removals first; safe to open in a spreadsheet.

    A cell that a spreadsheet would run as a formula, or turn from text into a number or date, starts with an
    apostrophe, and so does one that had an apostrophe there: take one off, and the text is what it was.

    >>> print(review_csv(plan_memberships(sample_snapshot(), {"vip": ["c-7"]})).splitlines()[0][:57])
    "customer_group_uid","group_name","customer_uid","change"
    """
    table = facts.operations(plan, personal)
    text = io.StringIO()
    # Every cell is quoted, so that neither a comma nor a semicolon parts it.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows([[_cell(value) for value in row] for row in table.to_numpy().tolist()])
    return text.getvalue()


# What spreadsheets run as a formula, the full-width forms of some of them included.
_FORMULA = re.compile(r"[\s'=+\-@＝＋－＠]")
# What they take for a number, a share, a date or a time, in English and the Nordic languages.
_NUMBER = re.compile(
    r"[\d.,:/ %-]*\d[\d.,:/ %-]*(e[+-]?\d+)?"
    r"|\d{0,4}[-. /]?(jan|feb|mar|apr|ma[jiy]|jun|jul|aug|sep|o[ck]t|nov|de[cs])[a-z]*[-. /]?\d{0,4}"
    r"|true|false|sann|usann|sant|falskt|falsk",
    re.IGNORECASE,
)


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) or _NUMBER.fullmatch(text) else text


def write_workbook(path: Path, plan: Plan, personal: Snapshot | None = None) -> None:
    """
    Write the review as a workbook: a sheet to read, and a sheet of every operation to sort and filter.

    Each cell is text by its type, by its format and by the mark that Excel keeps for an apostrophe, so that `=1+1`
    and `0150` stay what they are. Raises InputError where openpyxl is missing or a sheet cannot hold the operations.
    """
    table = facts.operations(plan, personal)
    if len(table) > ROWS:
        raise InputError(
            f"A sheet of Excel holds {ROWS:,} rows, and the plan has {len(table):,}. Write .csv instead."
        )
    book = _new_workbook()
    # By these forget knows the workbook again, also after Excel has saved it.
    book.properties.title = f"Review of plan {plan.digest[:12]}"
    book.properties.subject = f"Tenant {escape_invisible(plan.tenant_uid)}"
    book.properties.creator = "frgroups"
    _write_reading(book.create_sheet("Review"), plan, personal)
    if len(table):
        _write_operations(book.create_sheet("Operations"), table)
    if personal is not None:
        for sheet in book.worksheets:
            sheet.oddHeader.center.text = sheet.oddFooter.center.text = WATERMARK
    book.save(path)


def _new_workbook() -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise InputError('A workbook needs openpyxl: pip install "frgroups[excel]". Or write .csv.') from error
    return openpyxl.Workbook(write_only=True)


def _write_reading(sheet: Any, plan: Plan, personal: Snapshot | None) -> None:
    plain, bold = _style(sheet), _style(sheet, bold=True)
    sheet.column_dimensions["A"].width = 48
    for letter in "BCDEFGHIJK":
        sheet.column_dimensions[letter].width = 24
    for section in outline(plan, personal):
        if section.is_all:
            sheet.append(_texts(sheet, [f"{section.title}: on the sheet Operations"], bold))
            continue
        sheet.append(_texts(sheet, [section.title], bold))
        for alarm in section.alarms:
            sheet.append(_texts(sheet, [alarm], bold))
        for line in (*section.lines, *section.commands):
            sheet.append(_texts(sheet, [line], plain))
        if section.table is not None:
            sheet.append(_texts(sheet, section.table.columns, bold))
            for row in section.table.itertuples(index=False, name=None):
                sheet.append(_texts(sheet, row, plain))
        sheet.append([])


def _write_operations(sheet: Any, table: pd.DataFrame) -> None:
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{chr(ord('A') + len(table.columns) - 1)}{len(table) + 1}"
    for at in range(len(table.columns)):
        sheet.column_dimensions[chr(ord("A") + at)].width = 24
    sheet.append(_texts(sheet, table.columns, _style(sheet, bold=True)))
    plain = _style(sheet)
    for row in table.itertuples(index=False, name=None):
        sheet.append(_texts(sheet, row, plain))


def _style(sheet: Any, *, bold: bool = False) -> Any:
    """The style of a cell of text, made once and shared by all of them."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cell = WriteOnlyCell(sheet)
    cell.number_format = "@"
    cell.quotePrefix = True
    if bold:
        cell.font = Font(bold=True)
    return cell._style


def _texts(sheet: Any, values: Any, style: Any) -> list[Any]:
    from openpyxl.cell import WriteOnlyCell

    cells = []
    for value in values:
        cell = WriteOnlyCell(sheet, _fitting(escape_invisible(value)))
        cell.data_type = "s"  # A text that begins like a formula would be one.
        cell._style = style
        cells.append(cell)
    return cells


def _fitting(text: str) -> str:
    if len(text) <= CELL:
        return text
    told = f" … cut: {len(text):,} characters, of which a cell holds {CELL:,}"
    return text[: CELL - len(told)] + told
