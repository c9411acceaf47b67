"""Tests for the findings about new groups whose names or uids look like those of other groups."""

import pytest

from frgroups.errors import GroupNotFoundError
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import sample_snapshot


def similar_to(create):
    """Return the rule, the new uid, and the message of each finding about similar names and uids."""
    plan = plan_memberships(sample_snapshot(), {}, create=create)
    rules = ("same_name", "similar_name", "similar_uid")
    return [(finding.rule, finding.customer_group_uid, finding.message) for finding in plan.findings
            if finding.rule in rules and not finding.blocking]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("VIP", "vip"),
        ("vip", "upper and lower case"),
        ("VIP ", "only in spaces"),
        ("vIP ", "spaces and in upper and lower case"),
        ("VIP\u00a0", "U+00A0"),
        ("V\u200bIP", "U+200B"),
        ("V\u0406P", "U+0406"),
        ("\u0422eam VIP", None),
        ("VlP", "U+006C"),
        ("\uff36IP", "U+FF36"),
        ("VIP 2", None),
    ],
)
def test_name_of_existing_group(name, part):
    "If a new name looks like an existing name, a finding describes the difference, which can be invisible."
    findings = similar_to({"new": name})

    if part is None:
        assert findings == []
    else:
        [(rule, uid, message)] = findings
        assert (rule, uid) == ("same_name" if name == "VIP" else "similar_name", "new")
        assert part in message and "vip" in message


@pytest.mark.parametrize("name", ["L\u00f3d\u017a", "Lodz", "\u0141\u00d3D\u0179"])
def test_letters_with_a_stroke(name):
    "A letter with a stroke looks like the letter without it."
    plan = plan_memberships(sample_snapshot(), {}, create={"a": "\u0141\u00f3d\u017a", "b": name})

    assert {finding.rule for finding in plan.findings} == {"similar_name"}


def test_two_new_groups():
    "Two new groups with similar names result in a finding for each of the two groups."
    findings = similar_to({"a": "Black Week", "b": "black\u00a0week", "c": "Summer"})

    assert [(rule, uid) for rule, uid, _ in findings] == [("similar_name", "a"), ("similar_name", "b")]
    assert all("U+00A0" in message for _, _, message in findings)


def test_same_and_similar_name():
    "Groups with the same name and groups with a similar name have separate findings with their counts."
    plan = plan_memberships(sample_snapshot(), {}, create={"a": "VIP", "b": "vip", "c": "V\u0406P"})

    counts = {(note.customer_group_uid, note.rule): note.n for note in plan.findings if "name" in note.rule}
    assert counts == {
        ("a", "same_name"): 1,
        ("a", "similar_name"): 2,
        ("b", "similar_name"): 3,
        ("c", "similar_name"): 3,
    }


@pytest.mark.parametrize(
    ("create", "uids"), [({"VIP": "New"}, ["VIP"]), ({"a1": "X", "A1": "Y"}, ["A1", "a1"]), ({"vip2": "New"}, [])]
)
def test_similar_uid(create, uids):
    "If a new uid differs from another uid only in case, the plan has a finding."
    assert [uid for rule, uid, _ in similar_to(create) if rule == "similar_uid"] == uids


def test_unknown_group_with_similar_name():
    "The error for an unknown group states the code points that differ from the name of an existing group."
    with pytest.raises(GroupNotFoundError, match=r"U\+0406.*U\+0049"):
        plan_memberships(sample_snapshot(), {"V\u0406P": ["c-7"]})


@pytest.mark.parametrize("text", ["VIP ", " VIP", "Vip", "vIp"])
def test_unknown_group_with_other_case(text):
    "If only case or spaces differ, the error for an unknown group is short and names the existing group."
    with pytest.raises(GroupNotFoundError) as raised:
        plan_memberships(sample_snapshot(), {text: ["c-7"]})

    message = raised.value.cli_text
    assert "'VIP'" in message and "U+" not in message
