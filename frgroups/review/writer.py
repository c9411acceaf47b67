"""Write the review of a plan as an HTML page, Markdown, text, CSV, or an Excel workbook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from frgroups.errors import InputError
from frgroups.internals.atomic_files import atomic_write
from frgroups.internals.formatting import format_list
from frgroups.plan.plan import Plan
from frgroups.review.customer_names import check_personal
from frgroups.review.markdown import review_markdown, review_text
from frgroups.review.page import review_html
from frgroups.review.plan_status import Notice, PlanStatus
from frgroups.review.spreadsheet import review_csv, write_workbook
from frgroups.snapshot.snapshot import Snapshot


def write_review(
    plan: Plan,
    path: str | Path,
    *,
    personal: Snapshot | None = None,
    status: PlanStatus | None = None,
    notices: Sequence[Notice] = (),
) -> Path:
    """
    Write the review of a plan to a file and return the absolute path of the file.

    The public function `save_review` calls this function with the state of the plan in the data folder.
    """
    if personal is not None:
        check_personal(plan, personal)
    target = Path(path).expanduser().resolve()
    ending = target.suffix.lower()
    if target.is_dir():
        raise InputError(f"`path` must be a file, got the folder {target}. Add a file name, for example review.html.")
    if ending != ".xlsx" and ending not in _TEXTS:
        known = format_list([*_TEXTS, ".xlsx"], conjunction="or")
        raise InputError(
            f"The file name of a review must end in {known}, got {target.name}.",
        )
    try:
        with atomic_write(target) as draft:
            if ending == ".xlsx":
                write_workbook(draft, plan, personal, status, notices)
            else:
                draft.write_text(_TEXTS[ending](plan, personal, status, notices), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"Cannot write {target}: {error.strerror or error}.") from error
    return target


def _csv_file(plan: Plan, personal: Snapshot | None, status: PlanStatus | None, *_: object) -> str:
    # Excel reads a CSV file as UTF-8 only if it starts with a byte order mark.
    return "\ufeff" + review_csv(plan, personal, status)


_TEXTS: dict[str, Callable[[Plan, Snapshot | None, PlanStatus | None, Sequence[Notice]], str]] = {
    ".html": review_html,
    ".htm": review_html,
    ".md": review_markdown,
    ".txt": review_text,
    ".csv": _csv_file,
}
