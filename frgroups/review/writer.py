"""Write the review of a plan as an HTML page, Markdown, text, CSV or an Excel workbook."""

from __future__ import annotations

from pathlib import Path

from frgroups.errors import InputError
from frgroups.internals.atomic_files import atomic_write
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.review.customer_names import check_personal
from frgroups.review.markdown import review_markdown, review_text
from frgroups.review.page import review_html
from frgroups.review.spreadsheet import review_csv, write_workbook
from frgroups.snapshot.snapshot import Snapshot


def save_review(plan: Plan, path: str | Path, *, personal: Snapshot | None = None) -> Path:
    """
    Atomically write the page on which the reviewer decides, and return its absolute path.

    The page needs neither a network nor Python. It contains no names or contact data of customers, and only the
    members who join or leave, so it can be mailed. The reviewer can approve or reject the plan on the page, which
    then creates the same file as `approve_plan`.

    Parameters
    ----------
    plan
        The plan to review.
    path
        The file to write. The suffix selects the format: .html, .md, .txt, .csv, or .xlsx (requires the extra
        `excel`).
    personal
        A snapshot that was loaded with personal=True. The review then contains the name of each customer who joins
        or leaves, and a warning not to forward it. It contains no other contact data.

    Raises
    ------
    InputError
        The suffix is unknown, the path is a folder or cannot be written, `personal` has no names or belongs to
        another tenant, openpyxl is missing, or an Excel sheet cannot hold all operations.

    Examples
    --------
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
        raise InputError(f"{target} is a folder. Name a file in it, such as review.html.")
    if ending != ".xlsx" and ending not in _TEXTS:
        known = ", ".join([*_TEXTS, ".xlsx"])
        raise InputError(f"The review file {target.name} must end in one of {known}.")
    try:
        with atomic_write(target) as draft:
            if ending == ".xlsx":
                write_workbook(draft, plan, personal)
            else:
                draft.write_text(_TEXTS[ending](plan, personal), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"Cannot write the review to {target}: {error.strerror or error}.") from error
    return target


def _csv_file(plan: Plan, personal: Snapshot | None) -> str:
    # The byte order mark makes Excel read the file as UTF-8.
    return "\ufeff" + review_csv(plan, personal)


_TEXTS = {
    ".html": review_html,
    ".htm": review_html,
    ".md": review_markdown,
    ".txt": review_text,
    ".csv": _csv_file,
}
