"""Find the plan file or the receipt that an argument of the command line names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from frgroups.errors import InputError
from frgroups.internals.paths import home

MIN_PREFIX_LENGTH = 8
LAST = "last"
_DIGEST = re.compile(r"[0-9a-fA-F]{1,64}")
_PLAN_DIGEST = re.compile(rb'"digest":\s*"([0-9a-f]{64})"')
_MAX_LISTED = 5


def find_plan(argument: Path, *, allow_last: bool = False) -> Path:
    """
    Return the plan file that an argument names.

    Parameters
    ----------
    argument
        Path of a plan file, at least the first 8 characters of a plan's digest, or "last".
    allow_last
        Whether "last" selects the newest plan. Commands that decide about a plan or send it do not accept "last",
        because another plan could be created between the review and the command.
    """
    from frgroups.review.plan_queue import locate_plan

    path = locate_plan(argument)
    if path.exists():
        return path
    if str(argument) == LAST:
        return _newest_plan(allow_last)
    prefix = _digest_prefix(argument, "plan file")
    found = _plans_with_prefix(prefix)
    if not found:
        raise InputError(
            f"No plan has a digest that starts with {prefix}. The plans in {home()} and in the current folder were "
            "searched. Pass the path of the plan file, or run frgroups plans to list the plans."
        )
    return _only(found, prefix, "plan file")


def find_receipt(argument: Path) -> Path:
    """Return the receipt that an argument names by its path, or by at least 8 characters of the plan's digest."""
    if argument.exists():
        return argument
    prefix = _digest_prefix(argument, "receipt")
    found = _receipts_with_prefix(prefix)
    if not found:
        raise InputError(
            f"No receipt in {home()} belongs to a plan whose digest starts with {prefix}. Pass the path of the "
            "receipt."
        )
    return _only(found, prefix, "receipt")


def find_plan_or_receipt(argument: Path) -> Path:
    """Return the plan file that an argument names, or the receipt if no plan file has the digest."""
    if argument.exists() or str(argument) == LAST or not _is_prefix(argument):
        return find_plan(argument, allow_last=True)
    prefix = str(argument).lower()
    if not _plans_with_prefix(prefix) and (found := _receipts_with_prefix(prefix)):
        return _only(found, prefix, "receipt")
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
    if not _DIGEST.fullmatch(text):
        raise InputError(f"{text} does not exist. Pass the path of a {kind}, or the digest of a plan.")
    if len(text) < MIN_PREFIX_LENGTH:
        raise InputError(
            f"{text!r} is too short. Pass at least the first {MIN_PREFIX_LENGTH} characters of the digest."
        )
    return text.lower()


def _is_prefix(argument: Path) -> bool:
    return _DIGEST.fullmatch(str(argument)) is not None and len(str(argument)) >= MIN_PREFIX_LENGTH


def _plans_with_prefix(prefix: str) -> list[tuple[str, Path]]:
    """Return the digest and the path of the plan files in the data folder and in the current folder."""
    from frgroups.apply.run_registry import registered_plan_files
    from frgroups.review.plan_queue import locate_plan, plan_files, queued_files

    started = [path for path in map(locate_plan, registered_plan_files()) if path.exists()]
    paths = dict.fromkeys(path.resolve() for path in (*plan_files(), *started, *queued_files([Path.cwd()])))
    found = ((_digest_in(path), path) for path in paths)
    return [(digest, path) for digest, path in found if digest.startswith(prefix)]


def _digest_in(path: Path) -> str:
    """Return the digest in a plan file without decoding the whole file. The command itself reads the file again."""
    try:
        digest = _PLAN_DIGEST.search(path.read_bytes())
    except OSError:
        return ""
    return digest[1].decode() if digest else ""


def _receipts_with_prefix(prefix: str) -> list[tuple[str, Path]]:
    from frgroups.apply.plan_list import receipt_files

    found = ((_digest_in(path), path) for path in receipt_files())
    return [(digest, path) for digest, path in found if digest.startswith(prefix)]


def _only(found: Iterable[tuple[str, Path]], prefix: str, kind: str) -> Path:
    files = list(found)
    if len(files) == 1:
        return files[0][1]
    listed = "".join(f"\n  {digest[:12]}  {path}" for digest, path in files[:_MAX_LISTED])
    more = f"\n  and {len(files) - _MAX_LISTED} more" if len(files) > _MAX_LISTED else ""
    raise InputError(
        f"{len(files)} {kind}s have a digest that starts with {prefix}. Pass the path of one of them:{listed}{more}"
    )
