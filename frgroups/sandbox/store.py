"""The state of a sandbox in one SQLite file: settings, groups, customers, who is in which group."""

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

# "frgs" in the header of the file tells a sandbox from any other SQLite database.
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
GROUP_SORTS = {
    "customerGroupUid": "uid",
    "name": "name",
    "createdAt": "created_at",
    "lastModifiedAt": "modified_at",
}

# A customer as `put_customers` takes it: uid, external id, created at, modified at, the JSON without its last brace.
CustomerRow = tuple[str, str, str, str, bytes]
# A customer as a page shows it: uid, the JSON without its last brace, the JSON list of its groups.
ListedCustomer = tuple[str, bytes, bytes]


class Store:
    """
    One connection to the file. Several may be open at once, in several processes.

    Raises
    ------
    InputError
        The file exists and is not the database of a sandbox.
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
            raise InputError(f"{self.path} is a database, but not one of a sandbox.")
        self._db.execute("PRAGMA journal_mode = WAL")
        # Losing a made-up tenant to a power cut is no loss; waiting for the disk at each write is.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -65536")
        if not tables:
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the connection; the file stays."""
        self._db.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: what happens inside is committed together, or not at all when it raises."""
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
    def steady(self) -> Iterator[None]:
        """What is read inside is of one moment, whoever writes meanwhile."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    # Settings and time.

    def settings(self) -> dict[str, Any]:
        """What the sandbox was made with; empty for a new file."""
        return {name: json.loads(value) for name, value in self.read("SELECT name, value FROM settings")}

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        """Keep these settings, and leave the others as they are."""
        rows = [(name, json.dumps(value)) for name, value in settings.items()]
        with self.write() as db:
            db.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", rows)

    def now(self) -> datetime:
        """What time it is in the sandbox: the real time, moved by the days set and the days that have passed."""
        names = "('days_ago', 'days_advanced')"
        moved = {name: float(v) for name, v in self.read(f"SELECT * FROM settings WHERE name IN {names}")}  # noqa: S608
        return datetime.now(UTC) + timedelta(days=moved.get("days_advanced", 0) - moved.get("days_ago", 0))

    # Groups.

    def group(self, uid: str) -> tuple[str, ...] | None:
        """The row of one group, or None."""
        rows = self.read("SELECT * FROM groups WHERE uid = ?", (uid,))
        return rows[0] if rows else None

    def group_page(self, sort_by: str, direction: str, limit: int, offset: int) -> list[tuple[str, ...]]:
        """The rows of one page of groups."""
        order = f"{GROUP_SORTS[sort_by]} {'DESC' if direction == 'DESC' else 'ASC'}, uid"
        return self.read(f"SELECT * FROM groups ORDER BY {order} LIMIT ? OFFSET ?", (limit, offset))  # noqa: S608

    def count_groups(self) -> int:
        """How many groups there are."""
        [(count,)] = self.read("SELECT count(*) FROM groups")
        return int(count)

    def put_group(self, uid: str, name: str, who: str, when: str) -> None:
        """Create the group, or rename it."""
        change = "DO UPDATE SET name = ?2, modified_by = ?3, modified_at = ?4"
        with self.write() as db:
            db.execute(
                f"INSERT INTO groups VALUES (?1, ?2, ?3, ?4, ?3, ?4) ON CONFLICT (uid) {change}",  # noqa: S608
                (uid, name, who, when),
            )

    def touch_groups(self, uids: Iterable[str], who: str, when: str) -> None:
        """Say of these groups who changed them last."""
        with self.write() as db:
            db.executemany(
                "UPDATE groups SET modified_by = ?, modified_at = ? WHERE uid = ?",
                [(who, when, uid) for uid in uids],
            )

    def delete_group(self, uid: str) -> None:
        """Delete the group and all memberships in it."""
        with self.write() as db:
            members = self.members(uid)
            db.execute("DELETE FROM memberships WHERE group_uid = ?", (uid,))
            db.execute("DELETE FROM groups WHERE uid = ?", (uid,))
            self.list_groups_of(members)

    # Customers.

    def put_customers(self, rows: Iterable[CustomerRow]) -> None:
        """Create these customers, or replace what is told of them; memberships stay."""
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
        """What is told of one customer, without its groups; or None."""
        rows = self.read("SELECT body FROM customers WHERE uid = ?", (uid,))
        return json.loads(rows[0][0] + b"}") if rows else None

    def delete_customer(self, uid: str) -> None:
        """Delete the customer, who vanishes from all groups."""
        with self.write() as db:
            db.execute("DELETE FROM memberships WHERE customer_uid = ?", (uid,))
            db.execute("DELETE FROM customers WHERE uid = ?", (uid,))

    def unknown_customers(self, uids: Iterable[str]) -> list[str]:
        """Those of the uids that no customer has."""
        known = "SELECT w.value FROM json_each(?) w WHERE NOT EXISTS (SELECT 1 FROM customers WHERE uid = w.value)"
        return [uid for (uid,) in self.read(known, (json.dumps(list(uids)),))]

    # Memberships.

    def members(self, group_uid: str) -> list[str]:
        """The uids of a group's members, in their order."""
        rows = self.read(
            "SELECT customer_uid FROM memberships WHERE group_uid = ? ORDER BY customer_uid", (group_uid,)
        )
        return [uid for (uid,) in rows]

    def count_members(self, group_uid: str) -> int:
        """How many members a group has."""
        [(count,)] = self.read("SELECT count(*) FROM memberships WHERE group_uid = ?", (group_uid,))
        return int(count)

    def member_page(
        self, group_uid: str, sort_by: str, direction: str, limit: int, offset: int
    ) -> list[ListedCustomer]:
        """One page of a group's members."""
        way = "DESC" if direction == "DESC" else "ASC"
        join = "" if sort_by == "customerUid" else "JOIN customers c ON c.uid = m.customer_uid"
        order = f"{CUSTOMER_SORTS[sort_by]} {way}" + (", m.customer_uid" if join else "")
        # The page is cut from the narrow index first; the wide rows are fetched for its customers only.
        found = self.read(
            f"SELECT m.customer_uid FROM memberships m {join} WHERE m.group_uid = ?"  # noqa: S608
            f" ORDER BY {order} LIMIT ? OFFSET ?",
            (group_uid, limit, offset),
        )
        uids = [uid for (uid,) in found]
        sql = "SELECT uid, body, group_uids FROM customers WHERE uid IN (SELECT value FROM json_each(?))"
        rows = {row[0]: row for row in self.read(sql, (json.dumps(uids),))}
        return [rows[uid] for uid in uids]

    def change_members(self, group_uid: str, add: Iterable[str], remove: Iterable[str]) -> None:
        """Add and remove at once. Who is in already, or out already, stays so; unknown customers are passed over."""
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
            self.list_groups_of([*add, *remove])

    def list_groups_of(self, customer_uids: Iterable[str]) -> None:
        """Write each customer's list of groups anew from the memberships."""
        listed = "SELECT group_uid FROM memberships WHERE customer_uid = ?1 ORDER BY group_uid"
        with self.write() as db:
            db.executemany(
                "UPDATE customers SET group_uids ="  # noqa: S608
                f" CAST((SELECT json_group_array(group_uid) FROM ({listed})) AS BLOB) WHERE uid = ?1",
                [(uid,) for uid in customer_uids],
            )

    # Changes that show later.

    def change_members_later(self, due: float, group_uid: str, add: Iterable[str], remove: Iterable[str]) -> None:
        """Keep a change until `due`, in seconds of the real clock."""
        with self.write() as db:
            change = json.dumps([group_uid, list(add), list(remove)])
            db.execute("INSERT INTO pending (due, change) VALUES (?, ?)", (due, change))

    def settle(self, until: float) -> None:
        """Make the kept changes that are due."""
        if not self.read("SELECT 1 FROM pending WHERE due <= ? LIMIT 1", (until,)):
            return
        with self.write() as db:
            due = db.execute("SELECT id, change FROM pending WHERE due <= ? ORDER BY id", (until,)).fetchall()
            for number, change in due:
                self.change_members(*json.loads(change))
                db.execute("DELETE FROM pending WHERE id = ?", (number,))

    def empty(self) -> None:
        """Forget every group, customer and kept change; the settings stay."""
        with self.write() as db:
            for table in ("groups", "customers", "memberships", "pending"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
