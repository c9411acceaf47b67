"""Find the plan file or the receipt that an argument of the command line names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path

from frgroups.errors import FrgroupsError, InputError
from frgroups.internals.paths import home
from frgroups.plan.digest_argument import MIN_FILE_PREFIX, is_digest, short_digest_message
from frgroups.plan.plan_file import read_plan
from frgroups.review.plan_files import digest_in_file, queued_files
from frgroups.review.plan_queue import locate_plan

LAST = "last"
_MAX_LISTED = 5


def find_plan(argument: Path, *, allow_last: bool = False) -> Path:
    """
    Return the plan file that an argument names.

    Parameters
    ----------
    argument
        Path of a plan file, at least the first 8 characters of a plan's digest, or "last".
    allow_last
        Whether "last" selects the newest plan. Commands that approve, reject, or apply a plan do not accept "last",
        because a newer plan could be created after the review and before the command.
    """
    path = locate_plan(argument)
    if path.exists():
        return path
    if str(argument) == LAST:
        return _newest_plan(allow_last)
    prefix = _digest_prefix(argument, "plan file")
    not_found = (
        f"No plan has a digest that starts with {prefix}. The plans in {home()} and in the current folder were "
        "searched. Pass the path of the plan file, or run frgroups plans to list the plans."
    )
    return _only(_plans_with_prefix(prefix), prefix, "plan file", not_found)


def find_plans(argument: Path) -> list[Path]:
    """
    Return all plan files that an argument names.

    Plan files with the same digest make the same changes, so a digest can name several files. Commands that apply to
    the changes and not to a single file call this function. If the files contain different plans, the function raises
    an error. An unreadable file is skipped if another file with the same digest can be read.
    """
    if locate_plan(argument).exists() or not _is_prefix(argument):
        return [find_plan(argument)]
    files = _plans_with_prefix(str(argument).lower())
    if len({digest for digest, _ in files}) != 1:
        return [find_plan(argument)]
    paths = [path for _, path in files]
    return [path for path in paths if _is_readable(path)] or paths


def _is_readable(path: Path) -> bool:
    try:
        read_plan(path)
    except FrgroupsError:
        return False
    return True


def find_receipt(argument: Path) -> Path:
    """
    Return the receipt that an argument names.

    The argument is the path of the receipt or of the plan file, or at least 8 characters of the plan's digest.
    """
    path = locate_plan(argument)
    if path.exists():
        return _receipt_of_plan_file(path) or path
    prefix = _digest_prefix(argument, "receipt")
    not_found = f"No receipt in {home()} belongs to plan {prefix}. Pass the path of the receipt."
    return _only(_receipts_with_prefix(prefix), prefix, "receipt", not_found)


def _receipt_of_plan_file(path: Path) -> Path | None:
    """Return the receipt of the plan in a file, or None if the file is not a plan."""
    from frgroups.apply.plan_list import plan_entry

    try:
        plan = read_plan(path)
    except FrgroupsError:
        return None  # The caller then reads the file as a receipt.
    entry = plan_entry(plan, path=path)
    if entry.receipt is None:
        raise InputError(f"{path} has no receipt, so it cannot be undone. The state of the plan is {entry.state!r}.")
    return entry.receipt


def find_plan_or_receipt(argument: Path) -> Path:
    """
    Return the plan file that an argument names.

    If the argument is a digest and no plan file has this digest, the receipt with the digest is returned.
    """
    if argument.exists() or str(argument) == LAST or not _is_prefix(argument):
        return find_plan(argument, allow_last=True)
    prefix = str(argument).lower()
    if not _plans_with_prefix(prefix) and _receipts_with_prefix(prefix):
        return find_receipt(argument)
    return find_plan(argument)


def _newest_plan(allow_last: bool) -> Path:
    from frgroups.apply.plan_list import plan_entries

    if not allow_last:
        raise InputError(
            "Only frgroups show and frgroups review accept 'last'. Pass the path or the digest of the plan that was "
            "reviewed."
        )
    paths = [entry.path for entry in plan_entries() if entry.path is not None]
    if not paths:
        raise InputError(f"{home()} contains no plan. Create a plan with frgroups plan, or pass the path of a plan.")
    return paths[0]


def _digest_prefix(argument: Path, kind: str) -> str:
    text = str(argument)
    if not is_digest(text):
        raise InputError(f"{text} does not exist. Pass the path of a {kind}, or the digest of a plan.")
    if len(text) < MIN_FILE_PREFIX:
        raise InputError(short_digest_message(text, MIN_FILE_PREFIX))
    return text.lower()


def _is_prefix(argument: Path) -> bool:
    return is_digest(str(argument)) and len(str(argument)) >= MIN_FILE_PREFIX


def _plans_with_prefix(prefix: str) -> list[tuple[str, Path]]:
    """Return the digest and path of each plan file in the data folder or current folder that matches a prefix."""
    from frgroups.apply.plan_list import stored_plan_files

    files = (*stored_plan_files(), *queued_files([Path.cwd()]))
    return _with_prefix(dict.fromkeys(path.resolve() for path in files), prefix)


def _with_prefix(paths: Iterable[Path], prefix: str) -> list[tuple[str, Path]]:
    digests = [(digest_in_file(path), path) for path in paths]
    return [(digest, path) for digest, path in digests if digest.startswith(prefix)]


def _receipts_with_prefix(prefix: str) -> list[tuple[str, Path]]:
    from frgroups.apply.plan_list import receipt_files

    return _with_prefix(receipt_files(), prefix)


def _only(files: Sequence[tuple[str, Path]], prefix: str, kind: str, not_found: str) -> Path:
    """Return the path of the only file in `files`. Raise InputError if there are several files or no files."""
    if len(files) == 1:
        return files[0][1]
    if not files:
        raise InputError(not_found)
    listed = "".join(f"\n  {path}{_state_and_time(path)}" for _, path in files[:_MAX_LISTED])
    more = f"\n  and {len(files) - _MAX_LISTED} more" if len(files) > _MAX_LISTED else ""
    raise InputError(
        f"{len(files)} {kind}s have a digest that starts with {prefix}. Pass the path of one of them:{listed}{more}"
    )


def _state_and_time(path: Path) -> str:
    """Return the state and the planning time of the plan in a file, or "" if the file is unreadable."""
    from frgroups.apply.plan_list import plan_entry
    from frgroups.apply.receipt import read_receipt

    try:
        is_receipt = path.name.endswith(".receipt.json")
        plan = read_receipt(path).plan if is_receipt else read_plan(path)
        state = plan_entry(plan, path=None if is_receipt else path).state
    except FrgroupsError:
        return ""
    return f"  ({state}, planned at {plan.planned_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)"
