"""Tests for names that contain operators or quotes, or look like other names, in group expressions and in plans."""

import re
import unicodedata

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from frgroups.analysis.group_expressions import members
from frgroups.cli.main import main
from frgroups.errors import GroupNotFoundError, InputError
from frgroups.plan.desired import find_group_uid
from frgroups.plan.planner import plan_memberships
from frgroups.snapshot.from_frames import snapshot_from_frames
from frgroups.snapshot.group_references import find_quoted_group, quote_reference, reference_of
from frgroups.store.snapshot_store import save_snapshot
from tests.examples import at_most

PROPERTY = at_most(35)
MARKS = "\"'`"


def snapshot_of(names):
    """Return a snapshot of groups from a dictionary of uid to name. Group number i contains customer number i."""
    rows = pd.DataFrame({"customer_group_uid": list(names), "customer_uid": [f"c{i}" for i in range(len(names))]})
    everyone = pd.DataFrame({"customer_group_uid": "all-1", "customer_uid": rows["customer_uid"]})
    groups = pd.DataFrame({"customer_group_uid": [*names, "all-1"], "name": [*names.values(), "all-1"]})
    return snapshot_from_frames(pd.concat([rows, everyone]), groups, tenant_uid="t", taken_at="2026-11-23")


def quoted(text, mark='"'):
    """Return a name in quotes. Each quote in the name is doubled."""
    return f"{mark}{text.replace(mark, 2 * mark)}{mark}"


KIDS = {"g1": "Kids", "g2": "Baby", "g3": "Kids & Baby", "g4": "Staff"}


def selected(snapshot, expression):
    """Return the numbers of the customers that an expression selects, as a string."""
    return "".join(uid[1:] for uid in members(snapshot, expression))


@pytest.mark.parametrize("expression", ["Kids & Baby", "Kids&Baby", " kids  &  baby ", "(Staff | Kids & Baby)"])
def test_ambiguous_expression(expression):
    "An expression is rejected if a part of it is also a group name. The error shows both meanings in quotes."
    snapshot = snapshot_of(KIDS | {"kids": "k", "baby": "b"})
    with pytest.raises(InputError, match="ambiguous") as caught:
        members(snapshot, expression)

    prefix = "(Staff | " if "Staff" in expression else ""
    combination = re.search(r'"[Kk]ids"\s*&\s*"[Bb]aby"', str(caught.value))
    assert f'{prefix}"Kids & Baby"' in str(caught.value) and combination
    assert selected(snapshot_of(KIDS), f'{prefix}"Kids & Baby"' + ")" * bool(prefix)) == ("23" if prefix else "2")
    assert selected(snapshot_of(KIDS), '"Kids" & "Baby"') == ""
    assert selected(snapshot_of(KIDS), 'Kids & "Baby" | Baby') == "1"


def test_name_that_contains_quotes():
    "In an expression, quotes around a name are not part of the name. Outside of expressions, they are."
    snapshot = snapshot_of({"g0": "Quoted", "g1": '"Quoted"'})

    assert (selected(snapshot, '"Quoted"'), selected(snapshot, "'\"Quoted\"'")) == ("0", "1")
    assert (list(snapshot["Quoted"]), list(snapshot['"Quoted"'])) == (["c0"], ["c1"])


def test_name_that_ends_with_an_operator():
    "A group name is not a possible meaning of a part of an expression if no operator follows the name."
    snapshot = snapshot_of({"g0": "T", "g1": "Kids", "g2": "T -"})

    assert selected(snapshot, "T - Kids") == "0"
    with pytest.raises(InputError, match='"T -"'):
        members(snapshot, "T -")


@PROPERTY
@given(
    texts=st.lists(
        st.lists(st.sampled_from(["a", "b", " ", " - ", "-", " & ", "|", '"', "'", "("]), min_size=1, max_size=4)
        .map("".join)
        .map(str.strip),
        min_size=2,
        max_size=6,
        unique=True,
    ),
    rest=st.sampled_from(["", " | all-1", " & b"]),
)
def test_suggested_expressions(texts, rest):
    "Each expression that the error about an ambiguous expression suggests is valid, and the first selects the group."
    names = [text for text in texts if text not in ("", "a", "b")]
    snapshot = snapshot_of({f"g{i}": name for i, name in enumerate(names)} | {"x": "a", "y": "b"})
    for i, name in enumerate(names):
        try:
            members(snapshot, name + rest)
        except InputError as error:
            suggested = re.search(r"Write (.+) for the group with this name, or (.+) for the comb", str(error))
            if suggested is None:
                continue
            group, combination = suggested.groups()
            members(snapshot, combination)
            if group == quoted(name) + rest:
                assert set(selected(snapshot, quoted(name))) == {str(i)}
            members(snapshot, group)


@pytest.mark.parametrize(
    "name",
    [
        "a & b",
        "a | b",
        "a - b",
        "a ^ b",
        "a&b",
        "(a)",
        "a (b)",
        "(a | b)",
        "a & b | c",
        "'a' & b",
        'a & "b"',
        "a ＆ b",
    ],
)
def test_name_with_operators(name):
    "A name that is also an expression is rejected without quotes. In quotes, the name selects the group."
    snapshot = snapshot_of({"a": "a", "b": "b", "c": "c", "g": name})
    expression = unicodedata.normalize("NFKC", name)

    with pytest.raises(InputError) as caught:
        members(snapshot, expression)
    assert quote_reference(name) in str(caught.value)
    for mark in MARKS:
        assert selected(snapshot, quoted(name, mark)) == "3"


def test_quoted_parts_are_not_ambiguous():
    "An expression in which each name is in quotes has one meaning, even if a group name contains the same quotes."
    snapshot = snapshot_of({"a": "a", "b": "b", "g": '"a" | "b"', "h": '"a"'})

    assert selected(snapshot, '"a" | "b"') == "01"
    assert selected(snapshot, '"a"') == "0"
    assert selected(snapshot, quoted('"a" | "b"')) == "2"
    assert selected(snapshot, quoted('"a"')) == selected(snapshot, quoted('"a"', "'")) == "3"


def test_uid_and_name():
    "A text that is the uid of one group and the name of another is rejected. A prefix selects one of the groups."
    snapshot = snapshot_of({"vip": "Old VIP", "g7": "vip", "g8": "Same", "g9": "Same"})

    for expression in ("vip", '"vip"', "Same - vip"):
        with pytest.raises(GroupNotFoundError):
            members(snapshot, expression)
    with pytest.raises(GroupNotFoundError, match=r'uid:"vip".*name:"vip"') as caught:
        members(snapshot, "vip")
    assert sorted(caught.value.close) == ["g7", "vip"]
    assert selected(snapshot, 'uid:"vip"') == selected(snapshot, "Old VIP") == "0"
    assert selected(snapshot, "name:'vip'") == selected(snapshot, "g7") == "1"
    assert selected(snapshot, 'uid:"vip" | name:"vip" - g8') == "01"
    for expression in ('name:"Same"', 'uid:"Same"', 'uid:"Old VIP"'):
        with pytest.raises(GroupNotFoundError):
            members(snapshot, expression)


@pytest.mark.parametrize(
    ("groups", "text", "uids"),
    [
        ({"a": "A", "g1": 'uid:"a"'}, 'uid:"a"', ["a", "g1"]),
        ({"a": "A", 'uid:"a"': "B"}, 'uid:"a"', ["a", 'uid:"a"']),
        ({"g1": "A", "g2": "name:'A'"}, "name:'A'", ["g1", "g2"]),
        ({"a": "A", "g1": 'uid:"a"', "g2": "a"}, 'uid:"a"', ["a", "g1"]),
    ],
)
def test_reference_that_is_a_name(groups, text, uids):
    "A text that refers to one group and is the uid or the name of another group is an error with other references."
    matrix = snapshot_of(groups).matrix

    with pytest.raises(GroupNotFoundError) as caught:
        find_quoted_group(matrix, text)

    assert caught.value.close == uids
    references = [reference_of(matrix, uid) for uid in uids]
    assert all(reference in str(caught.value) for reference in references)
    assert [find_quoted_group(matrix, reference) for reference in references] == uids


def test_reference_to_the_same_group():
    "A name that is a reference to its own group, or to an unknown group, is not ambiguous."
    matrix = snapshot_of({"a": 'uid:"a"', "g1": 'uid:"b"'}).matrix

    assert [find_quoted_group(matrix, f'uid:"{letter}"') for letter in "ab"] == ["a", "g1"]


@pytest.mark.parametrize("name", ["VIP ", " VIP", "vip", "VI P", "V\u200bIP", "VIP\u00a0", "ＶＩＰ", "VIP\u0301"])
def test_look_alikes(name):
    "A name must match exactly. If only a similar name exists, the error shows the difference."
    both = snapshot_of({"g1": "VIP", "g2": name})
    other = snapshot_of({"g2": name})

    assert selected(both, "VIP") == selected(both, '"VIP"') == "0"
    assert selected(both, quoted(name)) == "1"
    with pytest.raises(GroupNotFoundError) as caught:
        members(other, "VIP")
    if name in ("VIP ", " VIP", "vip"):  # The difference is visible.
        assert repr(name) in str(caught.value) and "U+" not in str(caught.value)
    elif name not in ("VI P", "VIP\u0301"):
        assert "U+" in str(caught.value)


names = st.one_of(
    st.text(st.sampled_from(" abAB&|^-()+\"'`:é\u00a0"), min_size=1, max_size=7),
    st.sampled_from(["a", "b", "a & b", "a | b", "uid:a", 'uid:"a"', "name:'b'", "a - b", "A", "Cafe\u0301", "Café"]),
    st.text(min_size=1, max_size=4).filter(lambda text: text.isprintable()),
).filter(str.strip)


@PROPERTY
@given(st.lists(names, min_size=2, max_size=6, unique=True), st.data())
def test_quoting_selects_the_group(group_names, data):
    "A uid or name in quotes selects exactly one group, whatever the names of the other groups are."
    uids = [f"g{i}" for i in range(len(group_names))]
    i = data.draw(st.integers(0, len(uids) - 1))
    if data.draw(st.booleans()):  # The uid of another group is the name of this group.
        uids[i - 1] = group_names[i]
    assume(len(set(uids)) == len(uids) and "all-1" not in uids + group_names)
    snapshot = snapshot_of(dict(zip(uids, group_names, strict=True)))
    name, mark = group_names[i], data.draw(st.sampled_from(MARKS))

    assert selected(snapshot, f"name:{quoted(name, mark)}") == str(i)
    assert selected(snapshot, f"uid:{quoted(uids[i], mark)}") == str(i)
    if name in set(uids) - {uids[i]}:
        with pytest.raises(GroupNotFoundError):
            members(snapshot, quoted(name, mark))
    else:
        assert selected(snapshot, quoted(name, mark)) == str(i)
        assert find_quoted_group(snapshot.matrix, name) == uids[i]


@PROPERTY
@given(st.lists(names, min_size=2, max_size=6, unique=True), st.data())
def test_unquoted_names(group_names, data):
    "An expression without quotes is evaluated by the documented precedence, or it is rejected."
    snapshot = snapshot_of({f"g{i}": name for i, name in enumerate(group_names)})
    first, second = data.draw(st.sampled_from(group_names)), data.draw(st.sampled_from(group_names))
    operator = data.draw(st.sampled_from([" & ", " | ", " - ", ""]))
    expression = first + operator + second if operator else first
    sets = {name: {str(i)} for i, name in enumerate(group_names)}
    left, right = sets[first], sets[second]
    meanings = {" & ": left & right, " | ": left | right, " - ": left - right, "": left}
    in_quotes = f"{quoted(first)}{operator}{quoted(second)}" if operator else quoted(first)
    plain = not re.search(r"[-&|^()\"'`:]", first + second) and first.strip() == first and second.strip() == second

    assert set(selected(snapshot, in_quotes)) == meanings[operator]
    try:
        result = set(selected(snapshot, expression))
    except InputError:
        assert operator or not plain
        return

    if plain:
        assert result == meanings[operator]
    is_in_quotes = re.fullmatch(r"(uid:|name:)?(['\"`]).*\2", expression, re.S)
    if expression in group_names and not operator and not is_in_quotes:
        assert result == left  # The complete text is the name of a group.


@pytest.mark.parametrize("mode", ["dict", "create"])
def test_plan_references(mode):
    "A key of `desired` that is the uid of one group and the name of another group is rejected."
    snapshot = snapshot_of({"vip": "Old VIP", "g7": "vip" if mode == "dict" else "Other"})
    create = None if mode == "dict" else {"g8": "vip"}
    other = "g7" if mode == "dict" else "g8"

    with pytest.raises(GroupNotFoundError, match=r'uid:"vip".*name:"vip"'):
        plan_memberships(snapshot, {"vip": ["c9"]}, create=create)
    for key, uid in {'uid:"vip"': "vip", "name:'vip'": other, "Old VIP": "vip", other: other}.items():
        plan = plan_memberships(snapshot, {key: ["c9"]}, create=create)
        assert set(plan.table()["customer_group_uid"]) == {uid}
    # The column customer_group_uid contains only uids, so a value in this column is not ambiguous.
    table = pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": ["c9"]})
    assert set(plan_memberships(snapshot, table, create=create).table()["customer_group_uid"]) == {"vip"}
    with pytest.raises(GroupNotFoundError):
        plan_memberships(
            snapshot, {"Old VIP": []}, create=create, protect_groups=["vip"] if mode == "dict" else ["x"]
        )


def test_created_uid_is_an_existing_name():
    "A key that is the uid of a new group and the name of an existing group is rejected."
    snapshot = snapshot_of({"g1": "bw", "g2": "Kids & Baby"})

    with pytest.raises(GroupNotFoundError, match=r'uid:"bw"'):
        find_group_uid(snapshot, "bw", {"bw": "Black Week"})
    assert find_group_uid(snapshot, 'uid:"bw"', {"bw": "Black Week"}) == "bw"
    assert find_group_uid(snapshot, "Kids & Baby", {}) == "g2"
    with pytest.raises(GroupNotFoundError, match="create="):
        find_group_uid(snapshot, "Kids", {})


def test_plan_command(tmp_path, monkeypatch, capsys):
    "The plan command rejects an ambiguous expression or group, and accepts the quoted forms."
    monkeypatch.setenv("FRGROUPS_HOME", str(tmp_path))
    save_snapshot(snapshot_of(KIDS | {"kids": "Toys", "vip": "Old VIP", "g9": "vip"}))
    cases = {
        ("Staff", "Kids & Baby"): ['"Kids & Baby"', '"Kids" & "Baby"'],
        ("vip", "Baby"): ['uid:"vip"', 'name:"vip"'],
        ("Staff", "vip - Baby"): ['uid:"vip"', 'name:"vip"'],
    }
    for (group, expression), forms in cases.items():
        assert main(["plan", "--group", group, "--members", expression]) == 1
        error = capsys.readouterr().err
        assert all(form in error for form in forms)

    options = ["--members", '"Kids & Baby" | name:"vip"', "--limit", "snapshot_max_age=none"]
    assert main(["plan", "--group", 'uid:"vip"', *options]) == 0
    assert "2 customers join Old VIP" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("expression", "replacements"),
    [
        ("VIP and loyalty", ["& instead of 'and'"]),
        ("VIP og Staff", ["& instead of 'og'"]),
        ("vip OR unknown", ["| instead of 'OR'"]),
        ("VIP + Staff", ["| instead of '+'"]),
        ("VIP and not Staff", ["- instead of 'and not'"]),
        ("VIP and Staff or loyalty", ["& instead of 'and'", "| instead of 'or'"]),
        ("loyalty & (VIP, Staff)", ["| instead of ','"]),
    ],
)
def test_other_operators(expression, replacements):
    "If an expression contains a word instead of an operator, the error names the operator and no similar group."
    snapshot = snapshot_of({"g0": "VIP", "g1": "Staff", "g2": "loyalty"})

    with pytest.raises(GroupNotFoundError) as caught:
        members(snapshot, expression)

    assert caught.value.close == [] and "Did you mean" not in str(caught.value)
    assert [text for text in replacements if f"Use {text}." not in str(caught.value)] == []


@pytest.mark.parametrize("expression", ["Kids and Babies", "Salt og peper", "Fun+"])
def test_similar_name_with_a_word(expression):
    "If no part of a name with a word such as `and` is a group, the error suggests a similar name."
    snapshot = snapshot_of({"g0": "Kids and Baby", "g1": "Salt og pepper", "g2": "Fun +"})

    with pytest.raises(GroupNotFoundError) as caught:
        members(snapshot, expression)

    assert len(caught.value.close) == 1 and "Use " not in str(caught.value).partition("The operators")[0]
