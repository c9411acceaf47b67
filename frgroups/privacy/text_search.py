"""How often a customer is named in a table or a file of any kind, whatever it is packed in."""

from __future__ import annotations

import gzip
import html
import json
import mmap
import re
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from frgroups.internals.tombstones import compile_word_pattern
from frgroups.privacy.list_rows import count_in_zip, distinctive_ids
from frgroups.snapshot.schema import CUSTOMERS

MAX_BYTES = 256 * 2**20  # A larger file is looked through where it lies.


@dataclass(frozen=True)
class Subject:
    """Whom to look for: a customer uid, in one tenant or all, and the other ids that are known of the customer."""

    uid: str
    tenant_uid: str | None = None
    ids: frozenset[str] = frozenset()
    words: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", compile_word_pattern([self.uid, *distinctive_ids(self.ids)]))

    def n_in(self, uids: Iterable[str]) -> int:
        """How many of these are the uid."""
        return sum(uid == self.uid for uid in uids)

    def is_in(self, tenant_uid: str) -> bool:
        """Whether what is of this tenant is looked at; "" is what does not tell its tenant."""
        return self.tenant_uid is None or tenant_uid in ("", self.tenant_uid)


def read_parquet(path: Path, **options: Any) -> pa.Table:
    """A parquet file as it stands; a damaged page is an error, and no folder above it is a column."""
    return pq.read_table(path, partitioning=None, page_checksum_verification=True, **options)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as plain text, however it is encoded."""
    return column.cast(pa.string())


def count_equal(table: pa.Table, name: str, uid: str) -> int:
    """How many cells of a column are the uid; none where there is no such column."""
    return pc.sum(pc.equal(as_text(table[name]), uid)).as_py() or 0 if name in table.column_names else 0


def identifying_columns(path: Path) -> list[str]:
    """The uids, and what may hold text about anybody."""
    columns = pq.read_schema(path).names
    return [name for name in columns if name not in CUSTOMERS or name in ("customer_uid", "customer_parent_uid")]


def count_mentions(table: pa.Table, who: Subject, skip: int = -1) -> int:
    """How often words of the customer stand in the text of other rows; the columns of frgroups hold no such text."""
    n = 0
    for name in table.column_names:
        if name in CUSTOMERS and "customer_uid" in table.column_names:
            continue
        column = table[name]
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            rows = _rows_to_read(column, who)
            told = {row: str(value) for row, value in rows if value is not None and row != skip}
            n += sum(len(who.words.findall(text)) for text in told.values())
    return n


def _rows_to_read(column: pa.ChunkedArray, who: Subject) -> Iterable[tuple[int, object]]:
    """The rows of a column in which a word of the customer may stand; all of them when it is not plain text."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return enumerate(column.to_pylist())
    found = set()
    for word in (who.uid, *distinctive_ids(who.ids)):
        found.update(pc.indices_nonzero(pc.match_substring(column, word, ignore_case="@" in word)).to_pylist())
    return ((row, column[row].as_py()) for row in sorted(found))


def count_in_file(path: Path, who: Subject) -> int:
    """How often the customer stands in a file of any kind, unpacked where it is packed."""
    if path.suffix == ".parquet":
        table = read_parquet(path)
        return count_mentions(table, who) + sum(
            count_equal(table, name, who.uid) for name in ("customer_uid", "customer_parent_uid") if name in CUSTOMERS
        )
    if path.stat().st_size > MAX_BYTES:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
            return sum(1 for _ in _raw(who).finditer(body))
    return count_in_body(path.read_bytes(), who)


def count_in_body(body: bytes, who: Subject) -> int:
    """The same in the bytes of a file."""
    if body[:4] == b"PK\x03\x04":
        with suppress(zipfile.BadZipFile):
            return count_in_zip(body, who.words)
    if body[:2] == b"\x1f\x8b":
        with suppress(OSError, EOFError):
            body = gzip.decompress(body)
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return len(who.words.findall(body.decode("utf-16", "replace")))
    return len(_raw(who).findall(body))


def _raw(who: Subject) -> re.Pattern[bytes]:
    """The words as they may stand in a file: plain, in JSON, in HTML."""
    words = {who.uid, *distinctive_ids(who.ids)}
    written = words | {json.dumps(one)[1:-1] for one in words} | {html.escape(one) for one in words}
    return re.compile(compile_word_pattern(written).pattern.encode())
