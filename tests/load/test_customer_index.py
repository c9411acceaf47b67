"""Tests for the index of customers that a load creates."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frgroups.api.schema.records import Customer, Member, Page
from frgroups.load.customer_index import CustomerIndex
from tests.world import page_rows

GROUPS = ["a", "b", "c"]


def page_of(named, number=1, size=500, total=None, **facts):
    """Return a page of customers with the groups that their records list."""
    pairs = list(named.items() if isinstance(named, dict) else named)
    items = [Member(customer_uid=uid, customer_group_uids=groups, city=f"city of {uid}") for uid, groups in pairs]
    return Page(page_rows(items), number, size, len(items) if total is None else total, **facts)


def build_index(*pages, groups=GROUPS):
    """Return an index to which pages have been added, and the pages with customer codes instead of records."""
    index = CustomerIndex(Member, groups)
    rows = [index.add_page(page_of(page), group) for group, page in pages]
    return index, rows


def customers_by_group(index, groups=GROUPS):
    """Return the uids of the customers whose records list each group."""
    references = index.references()
    return {uid: uids_of(index, references.customers_of(code)) for code, uid in enumerate(groups)}


def uids_of(index, codes):
    return set(index.customers(codes)[0]["customer_uid"])


def test_codes():
    """A customer has the same integer code on all pages."""
    index, rows = build_index(("a", {"x": ("a",), "y": ("a", "b")}), ("b", {"z": ("b",), "y": ("a", "b")}))

    assert [page.keys for page in rows] == [[0, 1], [2, 1]]
    assert [page.n_new for page in rows] == [2, 1]
    assert len(index) == 3


def test_pages_from_several_threads():
    """If several threads add pages to the index, each customer has one code and the correct attributes."""
    pages = [page_of({f"c{(n * 7 + m) % 300}": ("a",) for m in range(50)}) for n in range(120)]
    index = CustomerIndex(Member, GROUPS)
    with ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(lambda page: index.add_page(page, "a"), pages))

    found = {}
    for page, coded in zip(pages, rows, strict=True):
        for uid, code in zip(page.uids, coded.keys, strict=True):
            assert found.setdefault(uid, code) == code
    customers, _, ordered = index.customers(np.arange(len(index)))
    assert sorted(found.values()) == list(range(300)) and sum(page.n_new for page in rows) == 300
    assert [found[uid] for uid in customers["customer_uid"]] == list(ordered)
    assert list(customers["city"]) == [f"city of {uid}" for uid in customers["customer_uid"]]
    assert index.references().counts.tolist() == [300, 0, 0]


def test_customer_twice_on_a_page():
    """If a customer is on a page twice, the customer has one code, and the second record's list of groups is used."""
    pairs = [("x", ("a",)), ("y", ("a",)), ("x", ("b",))]
    index = CustomerIndex(Member, GROUPS)

    rows = index.add_page(page_of(pairs), "a")

    assert (rows.keys, rows.n_new, len(index)) == ([0, 1, 0], 2, 2)
    assert customers_by_group(index) == {"a": {"y"}, "b": {"x"}, "c": set()}


def test_last_list_of_groups():
    """The list of groups in a later customer record replaces the list in an earlier record."""
    index, _ = build_index(("a", {"x": ("a", "b"), "y": ("a",)}), ("b", {"x": ("b", "c")}))
    left = customers_by_group(index)
    index.add_page(page_of({"x": ("a", "b")}), "a")

    assert left == {"a": {"y"}, "b": {"x"}, "c": {"x"}}
    assert customers_by_group(index) == {"a": {"x", "y"}, "b": {"x"}, "c": set()}


def test_missing_list_of_groups():
    """A member whose record lists no groups contradicts the group, but a record without a list of groups does not."""
    index, (rows,) = build_index(("a", {"missing": None, "empty": (), "listed": ("a",)}))
    references = index.references()

    assert references.is_unknown.tolist() == [True, False, False]
    assert (rows.missing_backreference, rows.n_with_references) == ([1], 1)
    assert not references.contradict(0, np.array([0, 2]))
    assert references.contradict(0, np.array([0, 1, 2]))
    assert references.contradict(0, np.array([0]))


def test_list_of_groups_becomes_missing():
    """If the last record of a customer has no list of groups, the list in earlier records is discarded."""
    index, _ = build_index(("a", {"x": ("a",), "y": None}), ("a", {"x": None, "y": ("a",)}))

    assert index.references().is_unknown.tolist() == [True, False]
    assert customers_by_group(index)["a"] == {"y"}


def test_group_listed_twice():
    """A group that is listed twice in a customer record is counted once."""
    index, _ = build_index(("a", {"x": ("a", "b", "a", "a")}), ("a", {"y": ("a",)}), ("a", {"y": ("a", "a")}))

    assert index.references().counts.tolist() == [2, 1, 0]


def test_unknown_groups():
    """Groups that are only in customer records, but not in the tenant's list of groups, get additional codes."""
    index, _ = build_index(("a", {"x": ("gone", "a", "new"), "y": ("gone",)}), ("a", {"y": ("new", "a")}))
    references = index.references()

    codes = index.group_codes()
    assert references.counts[:3].tolist() == [2, 0, 0]
    assert uids_of(index, references.customers_of(codes["gone"])) == {"x"}
    assert uids_of(index, references.customers_of_any([codes["gone"], codes["new"]])) == {"x", "y"}
    assert customers_by_group(index) == {"a": {"x", "y"}, "b": set(), "c": set()}


def test_empty_index():
    """An index without customers returns empty tables, whether or not the tenant has groups."""
    for groups in ([], GROUPS):
        index = CustomerIndex(Member, groups)
        index.add_page(page_of({}), "a")
        references = index.references()

        assert (len(index), references.counts.tolist(), references.has_unknown) == (0, [0] * len(groups), False)
        assert [len(table) for table in index.customers(np.arange(0))] == [0, 0, 0]


@pytest.mark.parametrize("record", [Member, Customer])
def test_uid_order(record):
    """The tables contain the requested customers sorted by uid, and the returned codes have the same order."""
    index = CustomerIndex(record, GROUPS)
    people = [record(customer_uid=uid, city=uid.upper()) for uid in ["m", "Z", "a", "0", "ø", "zz"]]
    index.add_page(Page(page_rows(people, record), 1, 9, 6), "a")

    customers, consents, ordered = index.customers(np.array([4, 0, 1, 2]))

    assert list(customers["customer_uid"]) == ["Z", "a", "m", "ø"]
    assert list(customers["city"]) == ["Z", "A", "M", "Ø"]
    assert list(ordered) == [1, 2, 0, 4]
    assert len(consents) == 0


def test_page_attributes():
    """Adding a page to the index does not change the page's number, size, total, and count of records without uid."""
    rows = CustomerIndex(Member, GROUPS).add_page(page_of({"x": ("a",)}, 7, 20, 300, without_uid=2), "a")

    assert (rows.page_number, rows.page_size, rows.total_count, rows.without_uid) == (7, 20, 300, 2)


people = st.tuples(
    st.sampled_from([f"c{n}" for n in range(8)]),
    st.none() | st.lists(st.sampled_from([*GROUPS, "gone", "new"]), max_size=4).map(tuple),
)


@given(pages=st.lists(st.tuples(st.sampled_from(GROUPS), st.lists(people, max_size=6)), max_size=8))
def test_references(pages):
    """For any pages, the index lists for each customer the groups in the customer's last record."""
    index, rows = build_index(*pages)
    last = {uid: names for _, page in pages for uid, names in page}
    order = list(dict.fromkeys(uid for _, page in pages for uid, _ in page))

    references = index.references()

    expected = {group: {uid for uid, names in last.items() if group in (names or ())} for group in GROUPS}
    assert customers_by_group(index) == expected
    assert references.counts[: len(GROUPS)].tolist() == [len(expected[group]) for group in GROUPS]
    assert references.is_unknown.tolist() == [last[uid] is None for uid in order]
    for (group, page), coded in zip(pages, rows, strict=True):
        assert coded.keys == [order.index(uid) for uid, _ in page]
        assert list(coded.missing_backreference) == [
            order.index(uid) for uid, names in page if names is not None and group not in names
        ]
        assert coded.n_with_references == sum(1 for _, names in page if names)
    for code, group in enumerate(GROUPS):
        with_list = {order.index(uid) for uid in order if last[uid] is not None}
        named = {order.index(uid) for uid in expected[group]}
        assert not references.contradict(code, np.array(sorted(named | set(range(len(order))) - with_list), np.int64))
        for other in with_list ^ named:
            assert references.contradict(code, np.array(sorted(named ^ {other}), np.int64))
