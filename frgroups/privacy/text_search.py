"""Count the mentions of a customer in tables and files."""

from __future__ import annotations

import gzip
import html
import io
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

from frgroups.internals.html import escaped_forms
from frgroups.internals.paths import host_of
from frgroups.internals.text_encodings import find_wide_encoding
from frgroups.internals.workbooks import ZIP_SIGNATURE
from frgroups.snapshot.schema import CUSTOMERS

# Size in bytes above which a file is mapped into memory instead of read.
MAX_BYTES = 256 * 2**20
# Minimum length of an id that is searched in free text. A shorter id can also be an ordinary word or number.
_MIN_DISTINCTIVE = 5


def compile_word_pattern(words: Iterable[str]) -> re.Pattern[str]:
    """
    Compile a regular expression that matches words only if they are not part of longer words.

    For example, the pattern for `c-1` does not match `c-10` or `abc-1`. Email addresses are matched without regard to
    upper and lower case.

    Examples
    --------
    >>> compile_word_pattern(["c-1"]).sub("…", "c-1, c-10 and abc-1: no customer c-1.")
    '…, c-10 and abc-1: no customer ….'
    """
    longest_first = sorted(words, key=len, reverse=True)
    alternatives = "|".join(map(_word_pattern, longest_first))
    return re.compile(rf"(?<![\w-])(?:{alternatives})(?![\w-])")


def _word_pattern(word: str) -> str:
    if "@" in word:
        return f"(?i:{re.escape(word)})"
    return re.escape(word)


def distinctive_ids(ids: Iterable[str]) -> list[str]:
    """Return the ids that identify the customer in free text, because they are long enough."""
    return [customer_id for customer_id in ids if len(customer_id) >= _MIN_DISTINCTIVE]


@dataclass(frozen=True)
class Subject:
    """
    The customer to search for.

    Attributes
    ----------
    uid
        Uid of the customer.
    tenant_uid
        Uid of the tenant whose files are searched. None searches the files of all tenants.
    base_url
        Base URL of the host whose files are searched. None searches the files of all hosts.
    ids
        Other known ids of the customer.
    words
        Pattern that matches the uid and the distinctive ids.
    """

    uid: str
    tenant_uid: str | None = None
    base_url: str | None = None
    ids: frozenset[str] = frozenset()
    words: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", compile_word_pattern([self.uid, *distinctive_ids(self.ids)]))

    def count_uid(self, uids: Iterable[str]) -> int:
        """Return how often the customer's uid occurs in a list of uids."""
        return sum(uid == self.uid for uid in uids)

    def count_in(self, text: str) -> int:
        """Return how often a string contains the uid or a distinctive id of the customer."""
        return len(self.words.findall(text))

    def redact(self, text: str, replacement: str = "…") -> str:
        """Replace the uid and the distinctive ids of the customer in a string."""
        return self.words.sub(replacement, text)

    def is_in(self, tenant_uid: str, base_url: str) -> bool:
        """
        Return True if the search for the customer includes the files of the given tenant at the given host.

        For a file without a tenant or without a host, `tenant_uid` or `base_url` is an empty string. An empty string
        matches every tenant or host, because the file could contain the customer. The paths of two base URLs are not
        compared, because the names of tenant folders contain only the host.
        """
        if self.tenant_uid is not None and tenant_uid not in ("", self.tenant_uid):
            return False
        return self.base_url is None or host_of(base_url) in ("", host_of(self.base_url))


def read_parquet(path: Path, **options: Any) -> pa.Table:
    """
    Read a parquet file and verify its checksums.

    Folder names such as `key=value` in the path are not converted to columns.
    """
    return pq.read_table(path, partitioning=None, page_checksum_verification=True, **options)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert an Arrow column, which can be dictionary-encoded, to plain strings."""
    return column.cast(pa.string())


def count_equal(table: pa.Table, name: str, uid: str) -> int:
    """Return the number of cells in a column that are equal to the uid, or 0 if the column does not exist."""
    if name not in table.column_names:
        return 0
    return pc.sum(pc.equal(as_text(table[name]), uid)).as_py() or 0


def identifying_columns(path: Path) -> list[str]:
    """Return the columns of a stored customers table that can contain the uid or a mention of a customer."""
    columns = pq.read_schema(path).names
    return [name for name in columns if name not in CUSTOMERS or name in ("customer_uid", "customer_parent_uid")]


def count_mentions(table: pa.Table, subject: Subject, skip: int = -1) -> int:
    """
    Return how often the customer's ids occur in the columns of a table that are not numeric.

    The row with the number `skip` is not searched. If the table has a column customer_uid, the standard columns of
    the customers table are not searched.
    """
    n = 0
    for name in table.column_names:
        if name in CUSTOMERS and "customer_uid" in table.column_names:
            continue
        column = table[name]
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            continue
        for row, value in _possible_rows(column, subject):
            if value is not None and row != skip:
                n += subject.count_in(str(value))
    return n


def _possible_rows(column: pa.ChunkedArray, subject: Subject) -> Iterable[tuple[int, object]]:
    """
    Return the numbers and values of the rows in which a column might contain an id of the customer.

    If the column does not contain strings, all rows are returned.
    """
    # Return early for an empty column, because pyarrow 22 to 26.0.0 can crash during a substring search in it.
    if not len(column):
        return ()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return enumerate(column.to_pylist())
    matches = set()
    for word in (subject.uid, *distinctive_ids(subject.ids)):
        matches.update(pc.indices_nonzero(pc.match_substring(column, word, ignore_case="@" in word)).to_pylist())
    return ((row, column[row].as_py()) for row in sorted(matches))


def count_in_file(path: Path, subject: Subject) -> int:
    """
    Return how often the customer's ids occur in a file of any type.

    Compressed files are decompressed unless they are larger than `MAX_BYTES`.
    """
    if path.suffix == ".parquet":
        table = read_parquet(path)
        uid_columns = ("customer_uid", "customer_parent_uid")
        n_uids = sum(count_equal(table, name, subject.uid) for name in uid_columns)
        return count_mentions(table, subject) + n_uids
    if path.stat().st_size > MAX_BYTES:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
            return sum(1 for _ in _byte_pattern(subject).finditer(body))
    return count_in_body(path.read_bytes(), subject)


def count_in_body(body: bytes, subject: Subject) -> int:
    """Return how often the customer's ids occur in the content of a file."""
    if body.startswith(ZIP_SIGNATURE):
        with suppress(zipfile.BadZipFile):
            return count_in_zip(body, subject.words)
    if body[:2] == b"\x1f\x8b":
        with suppress(OSError, EOFError):
            body = gzip.decompress(body)
    wide_encoding = find_wide_encoding(body)
    if wide_encoding is not None:
        return subject.count_in(body.decode(wide_encoding, "replace"))
    return len(_byte_pattern(subject).findall(body))


def count_in_zip(body: bytes, words: re.Pattern[str]) -> int:
    """Return how often a pattern matches in the files of a zip archive, for example an Excel workbook."""
    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        return sum(len(words.findall(parts.read(name).decode("utf-8", "replace"))) for name in parts.namelist())


def _byte_pattern(subject: Subject) -> re.Pattern[bytes]:
    """Compile a regular expression that matches the customer's ids in plain text, JSON, and HTML."""
    words = {subject.uid, *distinctive_ids(subject.ids)}
    in_json = {json.dumps(word)[1:-1] for word in words}
    in_html = {html.escape(word) for word in words}
    in_html |= {form for word in words for form in escaped_forms(word)}
    return re.compile(compile_word_pattern(words | in_json | in_html).pattern.encode())
