"""Write a file that declares the current members of groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from frgroups.api.schema.codec import UID, check_uid
from frgroups.errors import InputError
from frgroups.internals.atomic_files import write_text
from frgroups.internals.formatting import format_utc, pluralize
from frgroups.internals.toml_files import toml_key, toml_string
from frgroups.internals.validation import as_list, check_type
from frgroups.plan.declared_group import TABLE
from frgroups.snapshot.group_references import reference_of
from frgroups.snapshot.snapshot import Snapshot


def declare_groups(snapshot: Snapshot, path: str | Path, *, groups: Iterable[str] | None = None) -> Path:
    """
    Write a file that declares the current members of groups, for `read_declared_groups`.

    Each group is declared with a list of its members and the mode "mirror", so a plan for the same snapshot contains
    no changes. The lists are CSV files in a folder beside the file. You can replace a list with an expression or a
    rule, and delete the tables of groups that plans should not change.

    Parameters
    ----------
    snapshot : Snapshot
        The current memberships.
    path : str or Path
        File to write, such as groups.toml. The folder of the lists has the same name without the suffix. The lists
        contain customer uids, so keep the folder private.
    groups : iterable of str, optional
        Groups to declare, by uid or unique name. None declares all groups.

    Returns
    -------
    Path
        The absolute path of the file.

    Raises
    ------
    InputError
        The file or the folder exists, the file has no suffix, or a file cannot be written.
    GroupNotFoundError
        A group in `groups` does not exist.

    See Also
    --------
    read_declared_groups : Read declared groups from a TOML file.
    plan_declared : Create a plan from declared groups.

    Examples
    --------
    >>> path = declare_groups(sample_snapshot(), home() / "declared.toml", groups=["VIP"])
    >>> print(path.read_text().partition("[groups]")[2].strip())
    # "VIP", 2 members
    [groups.vip]
    list = "declared/vip.csv"
    mode = "mirror"
    >>> plan_declared(sample_snapshot(), read_declared_groups(path)).is_empty
    True
    """
    check_type(snapshot, Snapshot, "snapshot")
    matrix = snapshot.matrix
    uids = list(matrix.group_uids)
    if groups is not None:
        uids = sorted({matrix.group_uid(group) for group in as_list(groups, "groups")})
    target = Path(path).expanduser().resolve()
    folder = target.with_suffix("")
    if folder == target:
        raise InputError(f"The name of the file {target} must have a suffix. Use a name such as {target}.toml.")
    for existing in (target, folder):
        if existing.exists():
            raise InputError(f"{existing} already exists. Pass another path, or delete the file and its lists.")
    tables = []
    for uid, name in zip(uids, _file_names(uids), strict=True):
        members = matrix.members(uid)
        for customer in members:
            check_uid(customer, "customer uid")
        _write(folder / name, "".join(f"{line}\n" for line in ["customer_uid", *members]))
        tables.append(_table(snapshot, uid, f"{folder.name}/{name}", len(members)))
    heading = (
        f"# Groups of tenant {toml_string(snapshot.tenant_uid)}, snapshot of {format_utc(snapshot.taken_at)}.\n"
        f"# Groups that are not in this file are never changed.\n[{TABLE}]\n"
    )
    return _write(target, "\n".join([heading, *tables]))


def _table(snapshot: Snapshot, uid: str, list_path: str, n_members: int) -> str:
    """Return the TOML table that declares the members of a group with a list."""
    name = snapshot.matrix.names_by_uid[uid]
    lines = [
        f"# {toml_string(name)}, {pluralize(n_members, 'member')}",
        f"[{toml_key(TABLE, reference_of(snapshot.matrix, uid))}]",
        f"list = {toml_string(list_path)}",
        'mode = "mirror"',
    ]
    if not n_members:
        lines += [
            "# The group was empty. The next line also permits a plan that removes all members of this group.",
            "# Delete the next line if the group must not be empty.",
            "allow_empty = true",
        ]
    return "".join(f"{line}\n" for line in lines)


def _file_names(uids: Iterable[str]) -> Iterator[str]:
    """Yield a file name for each group uid. The file names are unique, even if case is ignored."""
    used: set[str] = set()
    for number, uid in enumerate(uids, start=1):
        name = uid if UID.fullmatch(uid) else "group"
        if name.casefold() in used or name != uid:
            name = f"{name}.{number}"
        used.add(name.casefold())
        yield f"{name}.csv"


def _write(path: Path, text: str) -> Path:
    try:
        return write_text(path, text)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}.") from error
