"""A plan as a page that a person can read and decide on, as Markdown, text, CSV and a workbook. It sends nothing."""

from __future__ import annotations

from pathlib import Path

from frgroups.errors import InputError
from frgroups.internals.atomic_files import atomic_write
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.review.customer_names import check_personal
from frgroups.review.markdown import review_markdown, review_text
from frgroups.review.page import review_html
from frgroups.review.plan_text import spoken_code
from frgroups.review.spreadsheet import review_csv, write_workbook
from frgroups.snapshot.snapshot import Snapshot


def save_review(plan: Plan, path: str | Path, *, personal: Snapshot | None = None) -> Path:
    """
    Write the page on which a second person decides, whole or not at all, and return its absolute path.

    It needs no network and no Python, holds no names or contact data of customers, and of the members only those
    who join or leave: it may be mailed. On the page itself one can approve or reject: it gives the file that
    `approve_plan` writes. A path that ends in .md, .txt, .csv or .xlsx gives Markdown, text, CSV or an Excel
    workbook (with the extra `excel`) instead.

    Parameters
    ----------
    personal
        A snapshot that was loaded with personal=True: the review then tells the name of each customer that joins or
        leaves, and says everywhere that it must not be forwarded. Nothing else of the contact data is in it.

    Raises
    ------
    InputError
        Another ending, a folder, a place that cannot be written to; `personal` without names, or of another tenant;
        a workbook without openpyxl, or with more rows than a sheet holds.

    >>> import tempfile
    >>> plan = plan_memberships(sample_snapshot(), {"vip": ["c-7"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_review(plan, f"{folder}/review.html").name
    'review.html'
    """
    check_type(plan, Plan, "plan")
    if personal is not None:
        check_personal(plan, personal)
    target = Path(path).expanduser().resolve()
    ending = target.suffix.lower()
    if target.is_dir():
        raise InputError(f"{target} is a folder; name the file to write in it, such as review.html.")
    if ending != ".xlsx" and ending not in _TEXTS:
        known = ", ".join([*_TEXTS, ".xlsx"])
        raise InputError(f"A review ends in {known}, not in {target.suffix or 'nothing'!r}: {target.name}.")
    try:
        with atomic_write(target) as draft:
            if ending == ".xlsx":
                write_workbook(draft, plan, personal)
            else:
                draft.write_text(_TEXTS[ending](plan, personal), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"The review could not be written to {target}: {error.strerror or error}.") from error
    return target


def _csv_file(plan: Plan, personal: Snapshot | None) -> str:
    # The mark tells Excel that this is UTF-8.
    return "\ufeff" + review_csv(plan, personal)


_TEXTS = {
    ".html": review_html,
    ".htm": review_html,
    ".md": review_markdown,
    ".txt": review_text,
    ".csv": _csv_file,
}

__all__ = ["review_csv", "review_html", "review_markdown", "review_text", "save_review", "spoken_code"]
