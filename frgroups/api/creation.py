"""What became of creating a group when the answer was lost: the group is looked for before it is asked for again."""

from __future__ import annotations

from collections.abc import Callable

from frgroups.errors import ApiError, ConnectionLostError, InputError, NotFoundError, RefusedError, ServerError
from frgroups.wire.records import Group


def settled_creation(send: Callable[[], Group], find: Callable[[], Group], name: str) -> Group:
    """
    The group that `send` creates under a uid of one's own, sent once more only if `find` does not find it.

    Raises InputError when a group of that uid is there with another name: it is somebody else's.
    """
    try:
        return send()
    except (ConnectionLostError, ServerError) as error:
        lost = error
    try:
        found = find()
    except NotFoundError:
        return _created_late(send, find, name)
    except ApiError as error:
        raise lost from error
    return _ours(found, name)


def _created_late(send: Callable[[], Group], find: Callable[[], Group], name: str) -> Group:
    """Send the creation once more; a refusal may mean that the lost one arrived after all."""
    try:
        return send()
    except RefusedError:
        return _ours(find(), name)


def _ours(found: Group, name: str) -> Group:
    if found.name != name:
        raise InputError(f"Group {found.uid!r} already exists and is named {found.name!r}, not {name!r}.")
    return found
