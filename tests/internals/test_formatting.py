"""Tests for the formatting of timestamps."""

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from frgroups.internals.formatting import format_utc

EAST = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    "timestamp",
    [
        datetime(2026, 11, 23, 23, 10, 5, tzinfo=UTC),
        datetime(2026, 11, 24, 8, 10, 5, tzinfo=EAST),
        pd.Timestamp("2026-11-24 08:10:05+09:00"),
    ],
)
def test_format_utc(timestamp):
    "Timestamps in any time zone are converted to UTC before they are formatted."
    assert format_utc(timestamp) == "2026-11-23 23:10 UTC"
    assert format_utc(timestamp, seconds=True) == "2026-11-23 23:10:05 UTC"
