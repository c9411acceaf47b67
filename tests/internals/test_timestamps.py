"""Tests for parsing timestamps and dates in arguments."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

import frgroups as fg
from frgroups.errors import InputError
from frgroups.internals.timestamps import is_date, parse_timestamp

EIGHT = datetime(2026, 11, 23, 8, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T08:10Z",
        " 2026-11-23 08:10 ",
        "2026-11-23 08:10 UTC",
        "2026-11-23T09:10:00.000000+01:00",
        "20261123T081000Z",
        "2026-11-23t08:10z",
        "2026-11-23 08:10 utc",
        datetime(2026, 11, 23, 8, 10),
        pd.Timestamp("2026-11-23 09:10+01:00"),
        np.datetime64("2026-11-23T08:10"),
    ],
)
def test_timestamps(value):
    "Timestamps in ISO 8601 and timestamp objects are converted to UTC."
    assert parse_timestamp(value) == EIGHT and not is_date(value)


@pytest.mark.parametrize("value", ["2026-11-23", "20261123", "2026-11-23 UTC", date(2026, 11, 23)])
def test_dates(value):
    "A date means midnight in UTC."
    assert parse_timestamp(value) == datetime(2026, 11, 23, tzinfo=UTC) and is_date(value)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "05.11.2026",
            "11/10/2026",
            "17-11-2026",
            "Nov 5 2026",
            "2026",
            "2026-11",
            "2026-11-23T08:10+01:00Z",
            "T06:00",
            "today",
            "now",
            "",
        ),
        *(20261117, 1.7e9, True, None, pd.NaT, np.datetime64("NaT"), "0001-01-01T00:00+01:00"),
    ],
)
def test_rejected_values(value):
    "Other formats, numbers, and missing values are rejected, because they could mean another day."
    calls = [
        lambda: parse_timestamp(value),
        lambda: fg.snapshot_from_frames(
            pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c-1"]}), tenant_uid="t-1", taken_at=value
        ),
    ]
    if value is not None:
        calls += [lambda: fg.read_snapshot(at=value), lambda: fg.scan_memberships(engine="polars", since=value)]
    for call in calls:
        with pytest.raises(InputError, match="is not a valid timestamp"):
            call()
