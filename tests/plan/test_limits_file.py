"""Limits from a TOML file: the same as in Python, and errors for everything else."""

import json

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
    "additions_total": numbers,
    "snapshot_max_age": st.sampled_from([None, "6h", "30min"]),
    "plan_max_age": st.sampled_from([None, "7d"]),
}
keys = st.sampled_from(["vip", "store_*", "0150", "a b", "é*", "[ab]?"])


def toml(values):
    """These limits as lines of TOML, whose texts are written as JSON writes them."""
    words = {name: "none" if value is None else value for name, value in values.items()}
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in words.items())


def written(folder, text):
    path = folder / "limits.toml"
    path.write_text(text, encoding="utf-8")
    return path


@given(
    values=st.fixed_dictionaries({}, optional=of_group | of_plan),
    groups=st.dictionaries(keys, st.fixed_dictionaries({}, optional=of_group), max_size=4),
)
def test_read_limits(values, groups, tmp_path_factory):
    "A file with any keys and tables of groups equals the same limits in Python."
    text = toml(values) + "".join(f'[per_group."{key}"]\n{toml(own)}' for key, own in groups.items())

    limits = fg.read_limits(written(tmp_path_factory.mktemp("limits"), text))

    expected = Limits(**values, per_group={key: Limits(**own) for key, own in groups.items()})
    assert limits.to_dict() == expected.to_dict()


def test_empty_file(tmp_path):
    "An empty file equals Limits()."
    assert fg.read_limits(written(tmp_path, "")).to_dict() == Limits().to_dict()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("removals = 5", ["limits.toml: removals ", "Known here: removals_per_group, removal_share"]),
        ("removal_shares = 0.1", ["removal_shares ", "Did you mean removal_share?"]),
        ("[per_group.vip]\nremoval = 5", ["limits.toml, [per_group.vip]: removal ", "Known here: removals_per"]),
        ("[per_group.vip]\nremovals_total = 5", ["removals_total is a limit of the whole plan"]),
        ('[per_group.vip]\nplan_max_age = "1d"', ["plan_max_age is a limit of the whole plan"]),
        ("[per_group.vip.per_group.a]", ["per_group is not a limit"]),
        ("removals_total = true", ["$.removals_total", "got `bool`"]),
        ('removals_total = "5"', ["`removals_total` must be an integer of at least 0", "'5'"]),
        ("removals_total = 5.5", ["`removals_total` must be an integer of at least 0", "5.5"]),
        ("removals_total = inf", ["`removals_total` must be an integer of at least 0", "inf"]),
        ("removals_total = [1]", ["$.removals_total", "got `array`"]),
        ("removals_total = 2026-11-23", ["$.removals_total", "got `date`"]),
        ("removal_share = 10", ["`removal_share`", "got 10", "at least 0 and at most 1"]),
        ("plan_max_age = 7", ["plan_max_age=7", "a duration"]),
        ('plan_max_age = "soon"', ["'soon' is not a duration"]),
        ("[per_group.vip]\nremoval_share = -1", ["[per_group.vip]: `removal_share` must be", "got -1"]),
        ("per_group = 5", ["per_group is not a table. Write [per_group.UID]"]),
        ("[per_group]\nvip = 5", ["per_group.vip is not a table. Write [per_group.vip]"]),
        ("[per_group]\nremovals_total = 5", ["per_group.removals_total is not a table"]),
        ("removals_total = none", ["is not valid TOML: Invalid value"]),
        ("removals_total = 1\nremovals_total = 2", ["is not valid TOML: Cannot overwrite"]),
        pytest.param("removals_total = " + "[" * 5000, ["is not valid TOML: "], id="nested"),
        (f'plan_max_age = "{"9" * 20}h"', ["longer than a thousand years"]),
        ('plan_max_age = "366000d"', ["longer than a thousand years"]),
    ],
)
def test_invalid_file(text, parts, tmp_path):
    "The error contains the file, the key, and the problem; an unknown key also the known ones."
    path = written(tmp_path, text)

    with pytest.raises(InputError) as error:
        fg.read_limits(path)

    for part in [str(path), *parts]:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("body", "part"),
    [(None, "cannot be read"), (b"\xff\xfe\x00", "is not valid TOML"), (b"PK\x03\x04", "is not valid TOML")],
)
def test_unreadable_file(body, part, tmp_path):
    "A missing file and a file of bytes raise InputError."
    path = tmp_path / "limits.toml"
    if body is not None:
        path.write_bytes(body)

    with pytest.raises(InputError, match=part):
        fg.read_limits(path)


def test_folder(tmp_path):
    "A folder raises InputError that says so."
    with pytest.raises(InputError, match="a folder"):
        fg.read_limits(tmp_path)
