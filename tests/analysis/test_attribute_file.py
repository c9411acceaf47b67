"""Tests for additional attributes that are read from a file."""

import openpyxl
import pandas as pd
import pytest

import frgroups as fg
from frgroups.analysis.attribute_file import read_attributes
from frgroups.errors import ListError

ROWS = pd.DataFrame(
    {
        "customer_uid": ["c-1", "c-7", "c-9"],
        "visits": [9, 4, None],
        "score": [0.5, None, 1.0],
        "area": ["007", None, "0150"],
        "is_member": ["true", "FALSE", None],
        "last_visit": ["2026-11-30", None, "2026-10-02 10:30"],
    }
).astype({"visits": "Int64"})


def write_workbook(path):
    """Write the rows to a workbook with number cells."""
    book = openpyxl.Workbook()
    for row in [list(ROWS), *ROWS.astype(object).where(ROWS.notna(), None).values.tolist()]:
        book.active.append(row)
    book.save(path)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_column_types(tmp_path, suffix):
    "Columns of numbers, booleans, and times have these types in rules. Numbers with leading zeros are text."
    path = tmp_path / f"scores.{suffix}"
    typed = ROWS.assign(
        is_member=pd.array([True, False, None], dtype="boolean"),
        last_visit=pd.to_datetime(ROWS["last_visit"], utc=True, format="ISO8601"),
    )
    if suffix == "csv":
        ROWS.to_csv(path, index=False, sep=";")
    elif suffix == "xlsx":
        write_workbook(path)
    else:
        typed.to_parquet(path)
    rules = {
        "c-1": "visits > 5 and score == 0.5 and is_member and last_visit > '2026-11-01'",
        "c-7": "visits == 4 and score.isna() and not is_member",
        "c-9": "visits.isna() and area == '0150' and last_visit.dt.hour == 10",
    }

    selected = fg.segment(fg.sample_snapshot(), rules, attributes=read_attributes(path))

    assert selected == {uid: [uid] for uid in rules}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("uid;visits\nc-1;5\n", "customer_uid"),
        ("customer_uid;visits;visits\nc-1;5;6\n", "two columns 'visits'"),
        ("customer_uid;;visits\nc-1;5;6\n", "column 2 has no name"),
        ("", "empty"),
    ],
)
def test_invalid_files(tmp_path, text, match):
    "The error names the problem."
    path = tmp_path / "scores.csv"
    path.write_text(text)

    with pytest.raises(ListError, match=match):
        read_attributes(path)
    with pytest.raises(ListError, match=r"none\.parquet"):
        read_attributes(tmp_path / "none.parquet")
