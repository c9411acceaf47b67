"""Store the settings, groups, customers, and memberships of a sandbox in an SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from frgroups.errors import InputError

# The application id in the SQLite file header identifies a sandbox database. The number consists of the bytes "frgs".
APPLICATION_ID = 0x66726773

SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE groups (
    uid TEXT PRIMARY KEY, name TEXT NOT NULL,
    created_by TEXT NOT NULL, created_at TEXT NOT NULL, modified_by TEXT NOT NULL, modified_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, external_id TEXT NOT NULL,
    created_at TEXT NOT NULL, modified_at TEXT NOT NULL,
    group_uids BLOB NOT NULL DEFAULT '[]', body BLOB NOT NULL
);
CREATE TABLE memberships (
    group_uid TEXT NOT NULL, customer_uid TEXT NOT NULL, PRIMARY KEY (group_uid, customer_uid)
) WITHOUT ROWID;
CREATE INDEX memberships_of_customer ON memberships (customer_uid, group_uid);
CREATE TABLE pending (id INTEGER PRIMARY KEY, due REAL NOT NULL, change TEXT NOT NULL);
"""

CUSTOMER_SORTS = {
    "customerUid": "m.customer_uid",
    "externalId": "c.external_id",
    "createdAt": "c.created_at",
    "lastModifiedAt": "c.modified_at",
}
DIRECTIONS = {"ASC": "ASC", "DESC": "DESC"}
GROUP_SORTS = {
    "customerGroupUid": "uid",
    "name": "name",
    "createdAt": "created_at",
    "lastModifiedAt": "modified_at",
}

# Row for `put_customers`: uid, external id, creation and modification time, and JSON without the closing brace.
CustomerRow = tuple[str, str, str, str, bytes]
# Row that `member_page` returns: uid, JSON without the closing brace, and the JSON array of group uids.
ListedCustomer = tuple[str, bytes, bytes]


class Store:
    """
    Connection to the SQLite file of a sandbox.

    Several processes can open the same file at the same time.

    Raises
    ------
    InputError
        The file exists, but is not the database of a sandbox.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise InputError(f"{self.path} is not the database of a sandbox: {error}.") from error
        except InputError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        [(mark,)] = self._db.execute("PRAGMA application_id").fetchall()
        [(tables,)] = self._db.execute("SELECT count(*) FROM sqlite_master").fetchall()
        if mark != APPLICATION_ID and tables:
            raise InputError(f"{self.path} is an SQLite database, but not a sandbox database.")
        self._db.execute("PRAGMA journal_mode = WAL")
        # Fast writes are more important than durability, because the data is synthetic.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -65536")
        if not tables:
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the connection to the SQLite file. The file is not deleted."""
        self._db.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run a block in a transaction, which is rolled back if the block raises an exception."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def read_transaction(self) -> Iterator[None]:
        """Run a block in a read transaction, so that all its queries return the same state."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of an SQL query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def settings(self) -> dict[str, Any]:
        """Return all settings, or {} for a new file."""
        return {name: json.loads(value) for name, value in self.read("SELECT name, value FROM settings")}

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        """Insert or replace the given settings. All other settings do not change."""
        rows = [(name, json.dumps(value)) for name, value in settings.items()]
        with self.write() as db:
            db.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", rows)

    def now(self) -> datetime:
        """Return the time of the sandbox: the real time minus `days_ago` plus `days_advanced`."""
        names = "('days_ago', 'days_advanced')"
        shift = {name: float(v) for name, v in self.read(f"SELECT * FROM settings WHERE name IN {names}")}  # noqa: S608
        return datetime.now(UTC) + timedelta(days=shift.get("days_advanced", 0) - shift.get("days_ago", 0))

    def group(self, uid: str) -> tuple[str, ...] | None:
        """Return the row of a group, or None if the group does not exist."""
        rows = self.read("SELECT * FROM groups WHERE uid = ?", (uid,))
        if not rows:
            return None
        return tuple(rows[0])

    def group_page(self, sort_by: str, direction: str, limit: int, offset: int) -> list[tuple[str, ...]]:
        """Return one page of groups as database rows."""
        order = f"{GROUP_SORTS[sort_by]} {DIRECTIONS[direction]}, uid"
        return self.read(f"SELECT * FROM groups ORDER BY {order} LIMIT ? OFFSET ?", (limit, offset))  # noqa: S608

    def count_groups(self) -> int:
        """Return the number of groups."""
        [(count,)] = self.read("SELECT count(*) FROM groups")
        return int(count)

    def put_group(self, uid: str, name: str, user: str, when: str) -> None:
        """Create a group, or rename it if it exists."""
        # The placeholders have names, because numbered placeholders with a sequence of values raise a
        # DeprecationWarning since Python 3.12.
        change = "DO UPDATE SET name = :name, modified_by = :user, modified_at = :when"
        with self.write() as db:
            db.execute(
                "INSERT INTO groups VALUES (:uid, :name, :user, :when, :user, :when)"  # noqa: S608
                f" ON CONFLICT (uid) {change}",
                {"uid": uid, "name": name, "user": user, "when": when},
            )

    def touch_groups(self, uids: Iterable[str], user: str, when: str) -> None:
        """Store the time at which the given groups were modified, and the user who modified them."""
        with self.write() as db:
            db.executemany(
                "UPDATE groups SET modified_by = ?, modified_at = ? WHERE uid = ?",
                [(user, when, uid) for uid in uids],
            )

    def delete_group(self, uid: str) -> None:
        """Delete a group and its memberships."""
        with self.write() as db:
            members = self.members(uid)
            db.execute("DELETE FROM memberships WHERE group_uid = ?", (uid,))
            db.execute("DELETE FROM groups WHERE uid = ?", (uid,))
            self.update_group_lists(members)

    def put_customers(self, rows: Iterable[CustomerRow]) -> None:
        """Create or replace customers without changing their memberships."""
        change = (
            "DO UPDATE SET external_id = excluded.external_id, created_at = excluded.created_at,"
            " modified_at = excluded.modified_at, body = excluded.body"
        )
        with self.write() as db:
            db.executemany(
                "INSERT INTO customers (uid, external_id, created_at, modified_at, body) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
                f" ON CONFLICT (uid) {change}",
                rows,
            )

    def customer(self, uid: str) -> dict[str, Any] | None:
        """Return the fields of a customer except the groups, or None if the customer does not exist."""
        rows = self.read("SELECT body FROM customers WHERE uid = ?", (uid,))
        if not rows:
            return None
        fields: dict[str, Any] = json.loads(rows[0][0] + b"}")
        return fields

    def delete_customer(self, uid: str) -> None:
        """Delete a customer and the customer's memberships."""
        with self.write() as db:
            db.execute("DELETE FROM memberships WHERE customer_uid = ?", (uid,))
            db.execute("DELETE FROM customers WHERE uid = ?", (uid,))

    def unknown_customers(self, uids: Iterable[str]) -> list[str]:
        """Return the uids for which the store contains no customer."""
        known = "SELECT w.value FROM json_each(?) w WHERE NOT EXISTS (SELECT 1 FROM customers WHERE uid = w.value)"
        return [uid for (uid,) in self.read(known, (json.dumps(list(uids)),))]

    def members(self, group_uid: str) -> list[str]:
        """Return the customer uids of the members of a group, in ascending order."""
        rows = self.read(
            "SELECT customer_uid FROM memberships WHERE group_uid = ? ORDER BY customer_uid", (group_uid,)
        )
        return [uid for (uid,) in rows]

    def count_members(self, group_uid: str) -> int:
        """Return the number of members of a group."""
        [(count,)] = self.read("SELECT count(*) FROM memberships WHERE group_uid = ?", (group_uid,))
        return int(count)

    def member_page(
        self, group_uid: str, sort_by: str, direction: str, limit: int, offset: int
    ) -> list[ListedCustomer]:
        """Return one page of the members of a group."""
        join, order = "", f"{CUSTOMER_SORTS[sort_by]} {DIRECTIONS[direction]}"
        if sort_by != "customerUid":
            join = "JOIN customers c ON c.uid = m.customer_uid"
            order += ", m.customer_uid"
        # The uids are selected from the index first, so that only the customers on the page are read.
        uid_rows = self.read(
            f"SELECT m.customer_uid FROM memberships m {join} WHERE m.group_uid = ?"  # noqa: S608
            f" ORDER BY {order} LIMIT ? OFFSET ?",
            (group_uid, limit, offset),
        )
        uids = [uid for (uid,) in uid_rows]
        sql = "SELECT uid, body, group_uids FROM customers WHERE uid IN (SELECT value FROM json_each(?))"
        rows = {row[0]: row for row in self.read(sql, (json.dumps(uids),))}
        return [rows[uid] for uid in uids]

    def change_members(self, group_uid: str, add: Iterable[str], remove: Iterable[str]) -> None:
        """Add and remove members of a group in one transaction. Unknown groups and customers are ignored."""
        add, remove = list(add), list(remove)
        with self.write() as db:
            if self.group(group_uid) is None:
                return
            db.executemany(
                "INSERT OR IGNORE INTO memberships SELECT ?, uid FROM customers WHERE uid = ?",
                [(group_uid, uid) for uid in add],
            )
            db.executemany(
                "DELETE FROM memberships WHERE group_uid = ? AND customer_uid = ?",
                [(group_uid, uid) for uid in remove],
            )
            self.update_group_lists([*add, *remove])

    def update_group_lists(self, customer_uids: Iterable[str]) -> None:
        """Recompute the list of group uids in each customer's row from the customer's memberships."""
        groups_of_customer = "SELECT group_uid FROM memberships WHERE customer_uid = :uid ORDER BY group_uid"
        with self.write() as db:
            db.executemany(
                "UPDATE customers SET group_uids ="  # noqa: S608
                f" CAST((SELECT json_group_array(group_uid) FROM ({groups_of_customer})) AS BLOB) WHERE uid = :uid",
                [{"uid": uid} for uid in customer_uids],
            )

    def change_members_later(self, due: float, group_uid: str, add: Iterable[str], remove: Iterable[str]) -> None:
        """Store a membership change that takes effect at the time `due`, in seconds since the epoch."""
        with self.write() as db:
            change = json.dumps([group_uid, list(add), list(remove)])
            db.execute("INSERT INTO pending (due, change) VALUES (?, ?)", (due, change))

    def apply_pending_changes(self, until: float) -> None:
        """Apply the pending membership changes that are due by the time `until`, in seconds since the epoch."""
        if not self.read("SELECT 1 FROM pending WHERE due <= ? LIMIT 1", (until,)):
            return
        with self.write() as db:
            due = db.execute("SELECT id, change FROM pending WHERE due <= ? ORDER BY id", (until,)).fetchall()
            for number, change in due:
                self.change_members(*json.loads(change))
                db.execute("DELETE FROM pending WHERE id = ?", (number,))

    def empty(self) -> None:
        """Delete all groups, customers, and pending membership changes. The settings do not change."""
        with self.write() as db:
            for table in ("groups", "customers", "memberships", "pending"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
