"""Write a report on the groups of a tenant as one HTML file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from frgroups.analysis.disclosure_control import check_min_count
from frgroups.analysis.snapshot_comparison import check_comparable
from frgroups.api.environments import environment_of
from frgroups.errors import InputError
from frgroups.internals.atomic_files import write_text
from frgroups.internals.html import render_page
from frgroups.internals.validation import as_list, check_type, wrong_type
from frgroups.internals.versions import __version__
from frgroups.report.content import Section
from frgroups.report.sections import ReportData, count_customers, report_sections
from frgroups.review.customer_names import check_names
from frgroups.snapshot.snapshot import Snapshot

_SUFFIXES = (".html", ".htm")


def save_report(
    snapshot: Snapshot,
    path: str | Path,
    before: Snapshot | None = None,
    register: pd.DataFrame | None = None,
    *,
    groups: Iterable[str] | None = None,
    uids: bool = False,
    personal: bool = False,
    min_count: int = 5,
) -> Path:
    """
    Write a report on the groups of a tenant as one HTML file.

    The report contains the verdict, the group sizes, their growth, overlaps, duplicates, health findings with
    suggested actions, the reach, and the changes. Each section has a summary in one sentence, a chart, a table, and
    the Python calls that produce them. The file opens in any browser without a network connection and without
    scripts, and is replaced atomically.

    By default, the report contains no customer uids and no personal data, and small counts are suppressed.

    Parameters
    ----------
    snapshot : Snapshot
        The snapshot to describe.
    path : str or Path
        The file to write, which ends in .html or .htm. Missing folders are created.
    before : Snapshot, optional
        An older snapshot of the same tenant. If given, the report contains the changes since this snapshot.
    register : DataFrame, optional
        The register of the groups, as returned by `read_register`. If given, the report contains the findings that
        need a register, and the campaigns in the register.
    groups : iterable of str, optional
        The groups in the section on reach, by uid or unique name. None selects the 8 largest groups.
    uids : bool, default False
        Whether to list the uids of up to 1,000 customers who joined or left a group. Requires `before`.
    personal : bool, default False
        Whether to list the uids and the names of up to 1,000 customers who joined or left a group. Requires
        `before`, and a snapshot that was loaded with `personal=True`.
    min_count : int, default 5
        Counts of customers from 1 to `min_count` - 1 are suppressed. Other counts in the same row from which a
        suppressed count could be computed are also suppressed. 0 disables suppression. The list of customers is never
        suppressed.

    Returns
    -------
    Path
        The absolute path of the file.

    Raises
    ------
    GroupNotFoundError
        A group in `groups` is unknown, or its name is not unique.
    InputError
        `path` does not end in .html or .htm, the file cannot be written, `uids` or `personal` is True without
        `before`, `before` is not an older snapshot of the same tenant, `personal` is True and the snapshot contains
        no names, or an argument has a wrong type.

    See Also
    --------
    show : Format a table for display.
    save_table : Write a table to a CSV, Excel, or HTML file.

    Notes
    -----
    The section on growth contains `before`, `snapshot`, and the stored snapshots between them. Without `before`, it
    contains the stored snapshots before `snapshot`. At most 30 stored snapshots are read.

    The reach by consent requires that the consent of each channel can be recognized by its name, as in
    `reachability`.

    The uids of groups are not suppressed, because the suggested actions need them. If two groups differ by only a few
    members, the number of these members can be found by subtraction.

    `erase_customer` removes the reports in the data folder that list the customer. It does not search other folders
    unless the operator passes their paths as `also`. If you write a report with `uids` or `personal` to another
    folder, pass its path when you erase a customer, or delete the report.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_report(sample_snapshot(), f"{folder}/groups.html")
    ...     print(path.name, "Group sizes" in path.read_text(encoding="utf-8"))
    groups.html True
    """
    target = _target(path)
    data = _checked(snapshot, before, register, groups=groups, uids=uids, personal=personal, min_count=min_count)
    page = _report_html(data)
    try:
        return write_text(target, page)
    except OSError as error:
        raise InputError(f"Cannot write {target}: {error.strerror or error}.") from error


def _target(path: str | Path) -> Path:
    if not isinstance(path, str | Path):
        raise wrong_type(path, "path", "a string or a Path")
    target = Path(path).expanduser().resolve()
    if target.is_dir():
        raise InputError(f"`path` must be a file, got the folder {target}. Add a file name, for example groups.html.")
    if target.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"A report is an HTML file, got {target.name}.",
            hint="`path` must end in .html or .htm.",
            cli_hint="--out must end in .html or .htm.",
        )
    return target


def _checked(
    snapshot: Snapshot,
    before: Snapshot | None,
    register: pd.DataFrame | None,
    *,
    groups: Iterable[str] | None,
    uids: bool,
    personal: bool,
    min_count: int,
) -> ReportData:
    """Return the data of a report. Raise InputError if an argument is invalid."""
    check_type(snapshot, Snapshot, "snapshot")
    check_type(uids, bool, "uids")
    check_type(personal, bool, "personal")
    if register is not None:
        check_type(register, pd.DataFrame, "register")
    if before is not None:
        check_type(before, Snapshot, "before")
        check_comparable(before, snapshot)
    elif uids or personal:
        raise InputError(
            "The customers who joined or left a group cannot be listed without an older snapshot.",
            hint="Pass `before`, or omit `uids` and `personal`.",
            cli_hint="Load the tenant again later, or run frgroups report without --uids and --personal.",
        )
    if personal:
        check_names(snapshot)
    selected = None
    if groups is not None:
        selected = tuple(snapshot.matrix.select(as_list(groups, "groups")).group_uids)
    return ReportData(snapshot, before, register, uids or personal, personal, check_min_count(min_count), selected)


def _report_html(data: ReportData) -> str:
    sections = list(report_sections(data))
    css, views = _with_markup(sections)
    return render_page(
        "report/report.html",
        style="report/report.css",
        more_style=css,
        scripts=(),
        has_images=True,
        snapshot=data.snapshot,
        before=data.before,
        n_customers=count_customers(data.snapshot),
        environment=environment_of(data.snapshot.base_url),
        sections=views,
        min_count=data.min_count,
        warning=_warning(data),
        version=__version__,
    )


def _with_markup(sections: list[Section]) -> tuple[str, list[dict[str, object]]]:
    """Return the style sheet for all tables, and the sections as dictionaries that contain the tables as HTML."""
    styles = []
    views: list[dict[str, object]] = []
    for section in sections:
        contents = []
        for content in section.contents:
            markup: object = None
            if content.table is not None:
                css, markup = content.table.parts()
                styles.append(css)
            contents.append({**vars(content), "table": markup})
        views.append({**vars(section), "contents": contents})
    return "\n".join(styles), views


def _warning(data: ReportData) -> str:
    if data.personal:
        return "This report contains customer names. Do not forward it, and delete it when it is no longer needed."
    if data.uids:
        return "This report contains customer uids. Do not forward it, and delete it when it is no longer needed."
    return ""
