"""Who was index while a tenant is read: each customer once, as a code, with the groups that it named last."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frgroups.api.schema.records import Customer, Member, Page
from frgroups.load.customer_index import CustomerIndex
from tests.world import page_rows

GROUPS = ["a", "b", "c"]


def page_of(named, number=1, size=500, total=None, **facts):
    """A page of {uid: groups named} or of such pairs."""
    pairs = list(named.items() if isinstance(named, dict) else named)
    items = [Member(customer_uid=uid, customer_group_uids=groups, city=f"city of {uid}") for uid, groups in pairs]
    return Page(page_rows(items), number, size, len(items) if total is None else total, **facts)


def indexed(*pages, groups=GROUPS):
    """A CustomerIndex with these (group, page)."""
    index = CustomerIndex(Member, groups)
    rows = [index.add_page(page_of(page), group) for group, page in pages]
    return index, rows


def named_in(index, groups=GROUPS):
    """{group: uids that name it}, by the tables that come out."""
    references = index.references()
    return {uid: uids_of(index, references.customers_of(code)) for code, uid in enumerate(groups)}


def uids_of(index, codes):
    return set(index.customers(codes)[0]["customer_uid"])


def test_codes_are_in_the_order_of_first_sight():
    "A customer has the code of its first sight, on every page and in every group."
    index, rows = indexed(("a", {"x": ("a",), "y": ("a", "b")}), ("b", {"z": ("b",), "y": ("a", "b")}))

    assert [one.keys for one in rows] == [[0, 1], [2, 1]]
    assert [one.n_new for one in rows] == [2, 1]
    assert len(index) == 3


def test_pages_may_come_from_many_threads():
    "However the pages of many threads are mixed, each uid has one code, and each code the customer it stands for."
    pages = [page_of({f"c{(n * 7 + m) % 300}": ("a",) for m in range(50)}) for n in range(120)]
    index = CustomerIndex(Member, GROUPS)
    with ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(lambda page: index.add_page(page, "a"), pages))

    found = {}
    for page, one in zip(pages, rows, strict=True):
        for uid, code in zip(page.uids, one.keys, strict=True):
            assert found.setdefault(uid, code) == code
    customers, _, ordered = index.customers(np.arange(len(index)))
    assert sorted(found.values()) == list(range(300)) and sum(one.n_new for one in rows) == 300
    assert [found[uid] for uid in customers["customer_uid"]] == list(ordered)
    assert list(customers["city"]) == [f"city of {uid}" for uid in customers["customer_uid"]]
    assert index.references().counts.tolist() == [300, 0, 0]


def test_a_customer_twice_on_one_page_is_one():
    "Its first row is kept, and the groups of its last count."
    pairs = [("x", ("a",)), ("y", ("a",)), ("x", ("b",))]
    index = CustomerIndex(Member, GROUPS)

    rows = index.add_page(page_of(pairs), "a")

    assert (rows.keys, rows.n_new, len(index)) == ([0, 1, 0], 2, 2)
    assert named_in(index) == {"a": {"y"}, "b": {"x"}, "c": set()}


def test_the_last_list_counts():
    "Who left a group while the tenant was read no longer names it, and who came back does."
    index, _ = indexed(("a", {"x": ("a", "b"), "y": ("a",)}), ("b", {"x": ("b", "c")}))
    left = named_in(index)
    index.add_page(page_of({"x": ("a", "b")}), "a")

    assert left == {"a": {"y"}, "b": {"x"}, "c": {"x"}}
    assert named_in(index) == {"a": {"x", "y"}, "b": {"x"}, "c": set()}


def test_no_list_is_no_empty_list():
    "Who carries no list is silent and contradicts nothing; an empty list says: I am in no group."
    index, (rows,) = indexed(("a", {"silent": None, "none": (), "told": ("a",)}))
    references = index.references()

    assert references.is_unknown.tolist() == [True, False, False]
    assert (rows.missing_backreference, rows.n_with_references) == ([1], 1)
    assert not references.contradict(0, np.array([0, 2]))
    assert references.contradict(0, np.array([0, 1, 2]))
    assert references.contradict(0, np.array([0]))


def test_who_falls_silent_names_nothing_any_more():
    "A later record without a list takes back what the earlier one said; a list ends the silence."
    index, _ = indexed(("a", {"x": ("a",), "y": None}), ("a", {"x": None, "y": ("a",)}))

    assert index.references().is_unknown.tolist() == [True, False]
    assert named_in(index)["a"] == {"y"}


def test_a_group_named_twice_counts_once():
    "A list that repeats a group does not make two members of one."
    index, _ = indexed(("a", {"x": ("a", "b", "a", "a")}), ("a", {"y": ("a",)}), ("a", {"y": ("a", "a")}))

    assert index.references().counts.tolist() == [2, 1, 0]


def test_groups_that_are_not_listed_are_passed_over():
    "A customer may name groups that the tenant's list of groups does not have; they count nowhere."
    index, _ = indexed(("a", {"x": ("gone", "a", "new"), "y": ("gone",)}), ("a", {"y": ("new", "a")}))
    references = index.references()

    assert references.counts.tolist() == [2, 0, 0]
    assert named_in(index) == {"a": {"x", "y"}, "b": set(), "c": set()}


def test_nobody_and_nothing_are_tables_too():
    "Before the first page, and without groups."
    for groups in ([], GROUPS):
        index = CustomerIndex(Member, groups)
        index.add_page(page_of({}), "a")
        references = index.references()

        assert (len(index), references.counts.tolist(), references.has_unknown) == (0, [0] * len(groups), False)
        assert [len(table) for table in index.customers(np.arange(0))] == [0, 0, 0]


@pytest.mark.parametrize("record", [Member, Customer])
def test_customers_come_in_uid_order(record):
    "The tables are in uid order whatever came first, and the codes say who is where; others are left out."
    index = CustomerIndex(record, GROUPS)
    people = [record(customer_uid=uid, city=uid.upper()) for uid in ["m", "Z", "a", "0", "ø", "zz"]]
    index.add_page(Page(page_rows(people, record), 1, 9, 6), "a")

    customers, consents, ordered = index.customers(np.array([4, 0, 1, 2]))

    assert list(customers["customer_uid"]) == ["Z", "a", "m", "ø"]
    assert list(customers["city"]) == ["Z", "A", "M", "Ø"]
    assert list(ordered) == [1, 2, 0, 4]
    assert len(consents) == 0


def test_a_page_keeps_its_facts():
    "Number, size, total, and how many have no uid."
    rows = CustomerIndex(Member, GROUPS).add_page(page_of({"x": ("a",)}, 7, 20, 300, without_uid=2), "a")

    assert (rows.page_number, rows.page_size, rows.total_count, rows.without_uid) == (7, 20, 300, 2)


people = st.tuples(
    st.sampled_from([f"c{n}" for n in range(8)]),
    st.none() | st.lists(st.sampled_from([*GROUPS, "gone", "new"]), max_size=4).map(tuple),
)


@settings(max_examples=50)
@given(pages=st.lists(st.tuples(st.sampled_from(GROUPS), st.lists(people, max_size=6)), max_size=8))
def test_references_are_the_last_of_each_customer(pages):
    "After any pages: who names which group is what a dict of sets says, and so are silence, strangers and counts."
    index, rows = indexed(*pages)
    last = {uid: names for _, page in pages for uid, names in page}
    order = list(dict.fromkeys(uid for _, page in pages for uid, _ in page))

    references = index.references()

    expected = {group: {uid for uid, names in last.items() if group in (names or ())} for group in GROUPS}
    assert named_in(index) == expected
    assert references.counts.tolist() == [len(expected[group]) for group in GROUPS]
    assert references.is_unknown.tolist() == [last[uid] is None for uid in order]
    for (group, page), one in zip(pages, rows, strict=True):
        assert one.keys == [order.index(uid) for uid, _ in page]
        assert list(one.missing_backreference) == [
            order.index(uid) for uid, names in page if names is not None and group not in names
        ]
        assert one.n_with_references == sum(1 for _, names in page if names)
    for code, group in enumerate(GROUPS):
        told = {order.index(uid) for uid in order if last[uid] is not None}
        named = {order.index(uid) for uid in expected[group]}
        assert not references.contradict(code, np.array(sorted(named | set(range(len(order))) - told), np.int64))
        for other in told ^ named:
            assert references.contradict(code, np.array(sorted(named ^ {other}), np.int64))
