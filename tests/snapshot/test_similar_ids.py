"""Tests for unknown ids that are similar to ids of known customers, in lists, plans, and exclusions."""

import re
import unicodedata

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.errors import InputError, ListError
from frgroups.internals import similar_text
from frgroups.internals.id_cells import damage_of, first_invisible
from frgroups.internals.redaction import safe_repr
from frgroups.plan.planner import plan_memberships
from frgroups.plan.suppression_list import suppression_list_path
from frgroups.snapshot.customer_lists import read_list
from frgroups.snapshot.from_frames import snapshot_from_frames
from frgroups.snapshot.id_resolution import describe_ambiguous_ids, detect_id_type, resolve_customers
from frgroups.snapshot.similar_ids import check_similar_ids, find_similar_ids, similarity_keys
from tests.examples import characters_in


def snapshot_of(customers):
    """Return a snapshot with the given customer uids and external ids, taken now."""
    table = pd.DataFrame(list(customers.items()), columns=["customer_uid", "external_id"], dtype="str")
    return snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "vip", "customer_uid": table["customer_uid"][:1]}),
        customers=table,
        tenant_uid="t-1",
        taken_at=pd.Timestamp.now("UTC"),
    )


@pytest.fixture(scope="module")
def people():
    """Return a snapshot with uids of several forms. Two customers have the external id E100009."""
    return snapshot_of(
        {
            "00000004": "E100004",
            "00000005": "E100005",
            "c-2": "E100002",
            "ab_1": "E100009",
            "00000010": "E100009",
            "Il0": "",
        }
    )


# Unknown uids that are probably the uid or the external id of a known customer, and valid according to the API.
SIMILAR_UIDS = [
    *("C-2", "c-02", "4", "004", "000000004", "0000000004", "OOOOOOO4", "AB_1", "aB_1", "ab_l", "iI0", "Ilo"),
    *("E100004", "e100004", "E0100004", "EI00004", "c-2_x000D_", "c-2_X0009_", "_x0020_c-2"),
]
SIMILAR_FORMS = [
    *("ｃ-2", "c\u20112", "c–2", "с-2", "c-2\u200b", "'c-2", "c-2 ", "c-2\U000e0101", "\u00b4c-2"),
    *("c_2", "c.2", "c/2", "c:2", "c--2", "-c-2", "c-2-", "(c-2)", "<c-2>", "#c-2", "c-2,", "c-2.", '"c-2', "@c-2"),
    *("c-2.0", "c-2,00", "c−2", "c‒2", "c—2", "c·2", "c-２", "c-²", "c-٢", "c-२", "ć-2", "c\u0301-2", "c-2\u0327"),
]
LOOKALIKES = [
    (chr(code), latin.lower())
    for table in (similar_text._TO_LOWERCASE, similar_text._TO_UPPERCASE)
    for code, latin in table.items()
]


@pytest.mark.parametrize("uid", SIMILAR_UIDS)
def test_uids(people, uid):
    "Uids that are similar to a known id are rejected in plans and lists and as uids to resolve, unless allowed."
    with pytest.raises(InputError, match="allow_similar_ids"):
        plan_memberships(people, {"vip": [uid]})
    with pytest.raises(InputError, match="allow_similar_ids"):
        plan_memberships(people, pd.DataFrame({"customer_group_uid": ["vip"], "customer_uid": [uid]}))
    with pytest.raises(InputError, match="allow_similar_ids"):
        resolve_customers(people, ["c-2", uid], by="customer_uid")

    assert plan_memberships(people, {"vip": [uid]}, allow_similar_ids=True).groups[0].add == (uid,)
    table = resolve_customers(people, ["c-2", uid], by="customer_uid", allow_similar_ids=True)
    assert list(table["outcome"]) == ["resolved", "unknown"]


@pytest.mark.parametrize("mode", ["add", "keep_only", "mirror"])
def test_modes(people, mode):
    "The uids are checked in each mode, because a misspelled uid in the list can also remove a customer."
    with pytest.raises(InputError, match="00000004"):
        plan_memberships(people, {"vip": ["4"]}, mode=mode)


@pytest.mark.parametrize("form", SIMILAR_FORMS)
def test_other_characters(people, form):
    "An id with other separators, letters, digits, accents, or invisible characters is similar to the known id."
    keys = similarity_keys(pa.array([form, "c-2"], type=pa.large_string())).to_pylist()

    assert keys[0] == keys[1]
    with pytest.raises(InputError):
        resolve_customers(people, [form], by="customer_uid")
    with pytest.raises(InputError):
        plan_memberships(people, {"vip": [form]})


@pytest.mark.parametrize(
    ("known", "unknown"),
    [
        ("c-2", "c2"),
        ("c-2", "c 2"),
        ("c-2", "c - 2"),
        ("c2", "C-02"),
        ("6F9619FF-8B86-D011-B42D-00CF4FC964FF", "6f9619ff8b86d011b42d00cf4fc964ff"),
        ("12-345", "12345"),
        ("0150", "0-150"),
        ("c-2", "https://example.com/customers/c-2"),
        ("c-2", "customer_uid=c-2"),
        ("100000", "1e5"),
        ("0150000", "1.5E5"),
        ("å-1", unicodedata.normalize("NFD", "å-1")),
        ("ola@x.no", "<ola@x.no>"),
        ("1001", "1001 Ola Nordmann"),
        ("1001", "1001 - Ola"),
        ("1001", "Nordmann, Ola (1001)"),
        ("1001", "1001:Ola"),
        *(("1001", f"1001{separator}Ola") for separator in "-_."),
        *(("1001", f"1001{separator}Ola{separator}Nordmann") for separator in "-_."),
        ("1001", "1001-Ola Nordmann"),
        ("1001", "1001-Ola-"),
        ("1001", "1001 1002"),
        ("c-2", "c-1|C-2"),
    ],
)
def test_other_forms(known, unknown):
    "An id without its separators, in scientific notation, or next to a name is rejected without showing the name."
    customers = snapshot_of({known: "", "other": ""}).customers

    with pytest.raises(InputError) as caught:
        check_similar_ids(customers, [unknown], "customer_uid", source="list")

    assert f"customer uid {safe_repr(known)}" in str(caught.value)
    assert "Nordmann" not in str(caught.value) and "Ola" not in str(caught.value)


@pytest.mark.parametrize(
    ("known", "unknown"),
    [
        ("12-345", "1-2345"),
        ("c-1-2", "c-12"),
        ("ola.n@x.no", "ola-n@x.no"),
        ("00000e12", "00000e15"),
        ("1001", "10012"),
        ("100", "1001"),
        ("AB 12", "AB 13"),
        ("c-2", "c-20"),
        ("12", "12-34 x1"),
        ("12", "412 34"),
    ],
)
def test_different_ids(known, unknown):
    "Ids whose separators are in other positions, and ids with a known id inside a word, are different."
    assert find_similar_ids(snapshot_of({known: "", "other": ""}).customers, [unknown], "customer_uid") == {}


def test_letters_of_other_scripts():
    "Each letter that looks like a Latin letter in a name also looks like it in an id, in upper and in lower case."
    letters = {*LOOKALIKES, ("\u03bd", "v"), ("\u039d", "n"), ("\u0585", "o"), ("\u0555", "o")}
    missing = []
    for latin in {latin for _, latin in letters}:
        ids = [f"{letter}x9" for letter, other in letters if other == latin and not letter.isascii()]
        similar = find_similar_ids(pd.DataFrame({"customer_uid": [f"{latin}x9"]}), ids, "customer_uid")
        missing += [unknown[0] for unknown in ids if unknown not in similar]

    # The form NFKC of a few letters is another letter, which has precedence.
    assert len(letters) > 150 and len(missing) < 5
    assert all(unicodedata.normalize("NFKC", letter) != letter for letter in missing)


def test_invisible_characters_and_apostrophes():
    "Ids and names ignore the same invisible characters and apostrophes, which are also rejected in lists."
    known = pd.DataFrame({"customer_uid": ["c-2"]})
    formats = {*characters_in("Cf", "Zs", "Cc")} - {" "}
    invisible = [f"c{character}-2" for character in similar_text.BLANK_CHARACTERS | formats]
    quoted = [f"{character}c-2" for character in similar_text.APOSTROPHES]

    assert set(find_similar_ids(known, [*invisible, *quoted], "customer_uid")) == {*invisible, *quoted}
    assert all(map(first_invisible, invisible)) and all(map(damage_of, quoted))


@pytest.mark.parametrize("uid", ["\u05851", "A\U000e01011"])
def test_uids_of_other_scripts(uid):
    "An id with an Armenian letter or a variation selector that looks like a known id is rejected."
    for by in ("customer_uid", "external_id"):
        with pytest.raises(InputError, match=r"allow_similar_ids|U\+E0101"):
            resolve_customers(snapshot_of({"o1": "o1", "A1": "A1"}), [uid], by=by)


@pytest.mark.parametrize("uid", ["c-3", "00000006", "x", "4444", "E1", "20"])
def test_other_uids(people, uid):
    "Unknown uids that are not similar to a known id are planned, because customers in no group are not known."
    assert plan_memberships(people, {"vip": [uid]}).groups[0].add == (uid,)


def test_known_uids():
    "A known uid is accepted, even if it is similar to another known uid or equal to an external id."
    snapshot = snapshot_of({"c-1": "7", "C-1": "c-1", "7": "", "07": ""})

    plan = plan_memberships(snapshot, {"vip": ["c-1", "C-1", "7", "07"]})

    assert set(plan.groups[0].add) | {"c-1"} == {"c-1", "C-1", "7", "07"}


def test_uids_of_another_snapshot(people):
    "The uids of a snapshot come from the API, so they are not compared."
    other = snapshot_of({"4": "", "C-2": ""})

    assert plan_memberships(people, other).groups[0].add == ("4",)


@pytest.mark.parametrize("excluded", ["C-2", "4", "E100004"])
def test_exclusions(people, excluded):
    "An excluded customer whose uid is misspelled would not be excluded, so the plan is rejected."
    for options in ({"protect": [excluded]}, {"suppression_list": [excluded]}):
        with pytest.raises(InputError, match="allow_similar_ids"):
            plan_memberships(people, {"vip": ["c-2"]}, **options)
        plan_memberships(people, {"vip": ["c-2"]}, **options, allow_similar_ids=True)
    path = suppression_list_path(people)
    path.parent.mkdir(parents=True)
    path.write_text(f"customer_uid\n{excluded}\n", encoding="utf-8")
    with pytest.raises(InputError, match="suppression list"):
        plan_memberships(people, {"vip": ["c-2"]})


@pytest.mark.parametrize(
    ("rows", "similar"),
    [
        (["00000004", "00000005", "c-2", "E100005"], "row 5"),
        (["00000004", "5", "c-2"], "row 3"),
        (["E100004", "E100002", "00000005"], "row 4"),
        (["E100004", "e100002"], "row 3"),
        (["4", "5"], "row 2"),
    ],
)
@pytest.mark.parametrize("name", ["Kundenummer", "id"])
def test_lists(people, tmp_path, rows, similar, name):
    "A list that mixes uids and external ids, or whose ids lost zeros, is rejected with the row of each such id."
    path = tmp_path / "list.csv"
    path.write_text("\n".join([name, *rows]), encoding="utf-8")

    with pytest.raises(ListError, match=similar):
        read_list(path, snapshot=people)

    assert list(read_list(path, snapshot=people, allow_similar_ids=True)) == rows
    assert list(read_list(path)) == rows


def test_emails(people):
    "Similar email addresses are different addresses, so they are reported as unknown."
    snapshot = snapshot_from_frames(
        pd.DataFrame({"customer_group_uid": "vip", "customer_uid": ["c-1", "c-2", "c-3"]}),
        customers=pd.DataFrame(
            {
                "customer_uid": ["c-1", "c-2", "c-3"],
                "email": ["moss@example.com", "KIM@example.com", "is@example.com"],
            }
        ),
        tenant_uid="t-1",
        taken_at="2026-11-23",
    )
    ids = ["moß@example.com", "\u212aim@example.com", "ıs@example.com", "iſ@example.com", "İs@example.com"]

    table = resolve_customers(snapshot, [*ids, "Moss@Example.com", " kim@example.com"], by="email")

    assert list(table["outcome"]) == ["unknown"] * len(ids) + ["resolved"] * 2


@pytest.mark.parametrize("character", ["\u200e", "\u00a0", "\t", "\n", "\u00ad", "\ufeff", "\x00", " "])
def test_invisible_characters(people, character):
    "An unknown id with an invisible character is rejected with its code point, also if it is not similar to an id."
    for by in ("customer_uid", "external_id"):
        with pytest.raises(InputError, match=f"{ord(character):04X}"):
            resolve_customers(people, [f"new-9{character}"], by=by)


def test_ambiguous_external_id(people):
    "The description of an ambiguous id names all customers who have it."
    assert list(resolve_customers(people, ["E100009"])["outcome"]) == ["ambiguous"]

    [sentence] = describe_ambiguous_ids(people, ["E100009"], by="external_id")

    assert sentence.startswith("2 customers have 'E100009'")
    assert "ab_1" in sentence and "00000010" in sentence


def test_no_ambiguous_ids(people):
    "No sentence describes an empty list of ids."
    assert describe_ambiguous_ids(people, [], by="external_id") == []


def test_conflict_with_directory(people):
    "The description of an id that contradicts the directory names the customer and both ids."
    directory = pd.DataFrame({"customer_uid": ["c-2"], "external_id": ["E9"]})

    [sentence] = describe_ambiguous_ids(people, ["E9"], by="external_id", directory=directory)

    assert "c-2" in sentence and "E100002" in sentence and "E9" in sentence


@pytest.mark.parametrize(
    ("ids", "name", "kind"),
    [
        (["7"], "Kundenummer", None),
        (["7"], "customer_uid", "customer_uid"),
        (["7"], "External ID", "external_id"),
        (["8", "9"], "id", "external_id"),
        (["1"], "id", "customer_uid"),
    ],
)
def test_id_type(ids, name, kind):
    "The type of ids is not known if an id is the uid of one customer and the external id of another customer."
    snapshot = snapshot_of({"7": "8", "1": "7", "2": "9"})

    assert detect_id_type(snapshot, pd.Series(ids, name=name, dtype="str")) == kind


CHANGES = [
    *(str.upper, str.swapcase, lambda uid: f" {uid}\u00a0", lambda uid: f"({uid})", lambda uid: f"'{uid}"),
    *(lambda uid: uid.replace("-", "_"), lambda uid: uid.replace("-", " – "), lambda uid: uid.replace("-", "")),
    *(lambda uid: f"{uid},", lambda uid: f"#{uid}", lambda uid: f"{uid}.", lambda uid: uid.replace("-", "-0")),
    *(lambda uid: uid.replace("a", "а"), lambda uid: uid.translate({48 + n: 0xFF10 + n for n in range(10)})),
    *(lambda uid: unicodedata.normalize("NFD", uid), lambda uid: uid.replace("1", "l"), lambda uid: f"{uid}\u200b"),
]


@given(
    uid=st.from_regex(r"[a-cå]{1,2}-[1-9][0-9]{0,4}", fullmatch=True),
    changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4),
)
def test_any_change(uid, changes):
    "An id remains similar to the known id after any combination of changes to its case, separators, and characters."
    changed = uid
    for change in changes:
        changed = change(changed)

    similar = find_similar_ids(pd.DataFrame({"customer_uid": [uid, "other"]}), [changed], "customer_uid")

    assert list(similar) == [changed]


@given(
    uids=st.lists(st.from_regex(r"[A-Ca-c0-2oil-]{1,5}", fullmatch=True), min_size=1, max_size=6, unique=True),
    zeros=st.integers(0, 3),
    change=st.sampled_from([str.upper, str.lower, str.swapcase, str]),
)
def test_keys_property(uids, zeros, change):
    "The key of an id does not change if its case changes or if zeros are written before it."
    changed = ["0" * zeros * uid[0].isdigit() + change(uid) for uid in uids]

    keys = similarity_keys(pa.array([*uids, *changed], type=pa.large_string())).to_pylist()

    assert keys[: len(uids)] == keys[len(uids) :]


JOINED_UUIDS = [f"fbe69722-0000-4000-8000-00000000000{n}" for n in range(3)]


@pytest.fixture(scope="module")
def uids():
    """Return uids of eight digits and UUIDs."""
    return pd.Series([*(f"{n:08d}" for n in range(1, 99)), *JOINED_UUIDS], dtype="str")


@pytest.mark.parametrize("by", ["customer_uid", "external_id"])
@pytest.mark.parametrize(
    ("text", "contained"),
    [
        ("00000004-00000022", "00000004"),
        ("00000068_00000070", "00000068"),
        ("0000006800000070", "00000068"),
        ("-".join(JOINED_UUIDS[:2]), JOINED_UUIDS[0]),
        ("".join(JOINED_UUIDS[1:]), JOINED_UUIDS[1]),
        ("00000068-2", "00000068"),
        ("00000068_2", "00000068"),
        ("00000068x2", "00000068"),
        ("K00000068", "00000068"),
        ("NO-00000068", "00000068"),
        ("NO-00000068-2", "00000068"),
        ("K00000068x", "00000068"),
    ],
)
def test_embedded_ids(uids, by, text, contained):
    "An unknown id that contains a known id is similar to it, unless the tenant has ids of the same shape."
    customers = pd.DataFrame({"customer_uid": [f"c-{n}" for n in uids.index], "external_id": ""}, dtype="str")
    customers[by] = uids
    usual = pd.DataFrame({"customer_uid": ["x-1"], "external_id": [""], by: [re.sub(r"\d", "9", text)]})

    similar = find_similar_ids(customers, [text], by)

    assert contained in similar[text]
    if "fbe" not in text:
        assert find_similar_ids(pd.concat([customers, usual]), [text], by) == {}


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ("100004", "1000041"),
        ("100004", "10000412"),
        ("E100004", "E1000041"),
        ("12345", "12345@x.no"),
        ("12345678", "12345678-0000-4000-8000-00000000000a"),
        ("1234", "a1234"),
        ("a7", "a7-9"),
        ("0000", "000000070000"),
    ],
)
def test_accidental_parts(known, text):
    "A longer number, an email address, a UUID, and an id with a short known part are not similar to a known id."
    customers = pd.DataFrame({"customer_uid": [known], "external_id": [""]}, dtype="str")

    assert find_similar_ids(customers, [text], "customer_uid") == {}


def test_hyphen_in_external_id():
    "An external id with an additional hyphen is similar, also in a list of customer uids."
    snapshot = snapshot_of({"00000004": "E100004", "00000005": "E100005"})

    assert list(find_similar_ids(snapshot.customers, ["e-100005", "E-100004"], "customer_uid")) == [
        "E-100004",
        "e-100005",
    ]


@pytest.mark.parametrize(
    ("known", "cut", "part"),
    [
        ("fbe69722-0000-4000-8000-0000000000a1", "fbe69722", "beginning"),
        ("fbe69722-0000-4000-8000-0000000000a1", "fbe69722-0000-4000-8000-0000000000", "beginning"),
        ("fbe69722-0000-4000-8000-0000000000a1", "0000000000a1", "end"),
        ("00000004", "000000", "beginning"),
        ("E100004", "100004", "end"),
        ("c-1500", "1500", "end"),
        ("150-ola", "150", "beginning"),
        ("c-1500", "c-15", None),
        ("E100004", "E1000", None),
        ("123456", "1234", None),
        ("123456", "456", None),
        ("ola-1500", "ola", None),
    ],
)
def test_cut_ids(known, cut, part):
    "The beginning or the end of a known id is similar, unless it can be an older id of the same series."
    found = find_similar_ids(snapshot_of({known: ""}).customers, [cut], "customer_uid")

    assert list(found) == ([cut] if part else [])
    assert part is None or f"{part} of the customer uid {known!r}" in found[cut]


def test_usual_shape_of_cut_ids():
    "A part of a known id is a different id if another known id has its shape."
    customers = snapshot_of({"fbe69722-0000-4000-8000-0000000000a1": "", "abc98765": ""}).customers

    assert find_similar_ids(customers, ["fbe69722"], "customer_uid") == {}


def test_external_id_of_two_customers(people):
    "If an external id belongs to several customers, all of them are named."
    [text] = find_similar_ids(people.customers, ["E100009"], "customer_uid").values()

    assert "'ab_1'" in text and "'00000010'" in text
