"""Write the review of a plan as an HTML page, Markdown, text, CSV, or an Excel workbook."""

from __future__ import annotations

from pathlib import Path

from frgroups.errors import InputError
from frgroups.internals.atomic_files import atomic_write
from frgroups.internals.formatting import format_list
from frgroups.internals.validation import check_type
from frgroups.plan.plan import Plan
from frgroups.review.customer_names import check_personal
from frgroups.review.markdown import review_markdown, review_text
from frgroups.review.page import review_html
from frgroups.review.spreadsheet import review_csv, write_workbook
from frgroups.snapshot.snapshot import Snapshot


def save_review(plan: Plan, path: str | Path, *, personal: Snapshot | None = None) -> Path:
    """
    Write the review of a plan to a file.

    The reviewer opens the HTML page in a browser and approves or rejects the plan there. The page then downloads the
    same file that `approve_plan` writes. The page requires neither Python nor a network connection. By default, a
    review contains no customer names and no contact data. It lists only the customers who join or leave a group.

    The file is replaced atomically.

    Parameters
    ----------
    plan
        The plan to review.
    path
        The file to write. The suffix selects the format: .html, .htm, .md, .txt, .csv, or .xlsx. The suffix .xlsx
        requires the extra `excel`.
    personal
        A snapshot that was loaded with `personal=True`. If given, the review contains the name of each customer who
        joins or leaves a group, and a warning not to forward the review. By default, a review contains no names.

    Returns
    -------
    Path
        The absolute path of the file.

    Raises
    ------
    InputError
        The suffix is unknown, the file cannot be written, `personal` contains no names or is a snapshot of another
        tenant, openpyxl is not installed, or the plan has more operations than an Excel sheet can contain.

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
        raise InputError(f"`path` must be a file, got the folder {target}. Add a file name, for example review.html.")
    if ending != ".xlsx" and ending not in _TEXTS:
        known = format_list([*_TEXTS, ".xlsx"], conjunction="or")
        raise InputError(
            f"The suffix of {target.name} does not select a review format.",
            hint=f"`path` must end in {known}.",
            cli_hint=f"--out must end in {known}.",
        )
    try:
        with atomic_write(target) as draft:
            if ending == ".xlsx":
                write_workbook(draft, plan, personal)
            else:
                draft.write_text(_TEXTS[ending](plan, personal), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"Cannot write {target}: {error.strerror or error}.") from error
    return target


def _csv_file(plan: Plan, personal: Snapshot | None) -> str:
    # Excel reads a CSV file as UTF-8 only if it starts with a byte order mark.
    return "\ufeff" + review_csv(plan, personal)


_TEXTS = {
    ".html": review_html,
    ".htm": review_html,
    ".md": review_markdown,
    ".txt": review_text,
    ".csv": _csv_file,
}
