"""Tests for reading limits from a TOML file."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.errors import InputError
from frgroups.plan.limits import Limits

numbers = st.none() | st.integers(0, 10_000)
shares = st.none() | st.floats(0, 1).map(lambda share: round(share, 4))
of_group = {
    "removals_per_group": numbers,
    "removal_share": shares,
    "removal_floor": numbers,
    "emptied_groups": numbers,
    "additions_per_group": numbers,
    "drift_share": shares,
    "drift_floor": numbers,
}
of_plan = {
    "removals_total": numbers,
    "removal_share_total": shares,
    "removal_floor_total": numbers,
    "additions_total": numbers,
    "snapshot_max_age": st.sampled_from([None, "6h", "30min"]),
    "plan_max_age": st.sampled_from([None, "7d"]),
}
keys = st.sampled_from(["vip", "store_*", "0150", "a b", "é*", "[ab]?"])


def toml(values):
    """Format limits as the lines of a TOML file."""
    words = {name: "none" if value is None else value for name, value in values.items()}
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in words.items())


def write_limits(folder, text):
    """Write a limits file and return its path."""
    path = folder / "limits.toml"
    path.write_text(text, encoding="utf-8")
    return path


@given(
    values=st.fixed_dictionaries({}, optional=of_group | of_plan),
    groups=st.dictionaries(keys, st.fixed_dictionaries({}, optional=of_group), max_size=4),
)
def test_read_limits(values, groups, tmp_path_factory):
    "Limits that are read from a file are equal to limits that are created in Python with the same values."
    text = toml(values) + "".join(f'[per_group."{key}"]\n{toml(own)}' for key, own in groups.items())

    limits = fg.read_limits(write_limits(tmp_path_factory.mktemp("limits"), text))

    expected = Limits(**values, per_group={key: Limits(**own) for key, own in groups.items()})
    assert limits.to_dict() == expected.to_dict()


def test_empty_file(tmp_path):
    "If the limits file is empty, all limits have their default values."
    assert fg.read_limits(write_limits(tmp_path, "")).to_dict() == Limits().to_dict()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("removals = 5", ["`removals`", "removals_per_group, removal_share"]),
        ("removal_shares = 0.1", ["`removal_shares`", "`removal_share`?"]),
        ("[per_group.vip]\nremoval = 5", ["[per_group.vip]", "`removal`", "removals_per_group, removal_share"]),
        ("[per_group.vip]\nremovals_total = 5", ["[per_group.vip]", "`removals_total`"]),
        ('[per_group.vip]\nplan_max_age = "1d"', ["[per_group.vip]", "`plan_max_age`"]),
        ("[per_group.vip.per_group.a]", ["[per_group.vip]", "`per_group`"]),
        ("removals_total = true", ["removals_total", "bool"]),
        ('removals_total = "5"', ["`removals_total`", "integer of at least 0", "'5'"]),
        ("removals_total = 5.5", ["`removals_total`", "integer of at least 0", "5.5"]),
        ("removals_total = inf", ["`removals_total`", "integer of at least 0", "inf"]),
        ("removals_total = [1]", ["removals_total", "array"]),
        ("removals_total = 2026-11-23", ["removals_total", "date"]),
        ("removal_share = 10", ["`removal_share`", "got 10", "at least 0 and at most 1"]),
        ("plan_max_age = 7", ["`plan_max_age`", "got 7"]),
        ('plan_max_age = "soon"', ["'soon'"]),
        ("[per_group.vip]\nremoval_share = -1", ["[per_group.vip]", "`removal_share`", "got -1"]),
        ("per_group = 5", ["`per_group`", "[per_group.UID]"]),
        ("[per_group]\nvip = 5", ["`per_group.vip`", "[per_group.vip]"]),
        ("[per_group]\nremovals_total = 5", ["`per_group.removals_total`"]),
        ("removals_total = none", ["TOML", "Invalid value"]),
        ("removals_total = 1\nremovals_total = 2", ["TOML", "line 2", "removals_total", "line 1"]),
        pytest.param("removals_total = " + "[" * 5000, ["TOML"], id="nested"),
        (f'plan_max_age = "{"9" * 20}h"', ["9" * 20]),
        ('plan_max_age = "366000d"', ["366000d"]),
    ],
)
def test_invalid_file(text, parts, tmp_path):
    "The error for an invalid limits file contains the path, key, and value. For an unknown key, it lists all limits."
    path = write_limits(tmp_path, text)

    with pytest.raises(InputError) as error:
        fg.read_limits(path)

    for part in [str(path), *parts]:
        assert part in str(error.value)


@pytest.mark.parametrize("body", [None, b"\xff\xfe\x00", b"PK\x03\x04"])
def test_unreadable_file(body, tmp_path):
    "A limits file that is missing or binary raises InputError, which contains the path."
    path = tmp_path / "limits.toml"
    if body is not None:
        path.write_bytes(body)

    with pytest.raises(InputError, match=re.escape(str(path))):
        fg.read_limits(path)


def test_folder(tmp_path):
    "If the path of the limits file is a folder, InputError is raised and contains the path."
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        fg.read_limits(tmp_path)
