"""Tests for the origins of the customers in a plan."""

from dataclasses import replace
from pathlib import Path

import pytest

from frgroups.cli.inputs import desired_customers
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.plan.customer_origin import CustomerOrigin, list_origin, origin_text
from frgroups.plan.declared_groups_file import read_declared_groups
from frgroups.plan.declared_planner import plan_declared
from frgroups.plan.plan_file import read_plan
from frgroups.review.plan_sentences import group_origin, mode_texts
from frgroups.review.writer import write_review
from tests.review.test_review_formats import content
from tests.review.test_writer import planned, snapshot

LIST = CustomerOrigin("list", "vip_may.csv", n_customers=1198, n_rows=1204, unused_columns=("navn", "beløp"))


def with_origin(*origins):
    """Return a plan for one group whose customers have the given origins."""
    return replace(planned(wanted={"an": ["c-001"]}, mode="add"), origins={"an": origins})


def test_plan_file(tmp_path):
    "The plan file contains the origins. A file without them is readable, and the digest does not cover them."
    plan = with_origin(LIST, CustomerOrigin("expression", "VIP & loyalty", 3))
    path = plan.save(tmp_path / "plan.json")

    stored = read_checksummed(path, "plan")
    assert read_plan(path).origins == plan.origins
    del stored["origins"]
    write_checksummed(path, "plan", stored)
    old = read_plan(path)
    assert old.origins == {} and old.digest == plan.digest
    assert "From:" not in old.summary() + content(write_review(old, tmp_path / "old.html"))


@pytest.mark.parametrize("ending", [".html", ".md", ".txt", ".xlsx"])
def test_reviews(tmp_path, ending):
    "The review, the summary, and the card state the file name and the rows."
    plan = with_origin(LIST)

    text = content(write_review(plan, tmp_path / f"r{ending}")).replace("\\", "")

    for stated in (text, plan.summary(), plan._repr_html_()):
        assert origin_text([LIST]) in stated


def test_members_of_several_sources():
    "The review states the number of different customers of all sources, and how many of them are members."
    plan = planned(wanted={"bw": ["new-1", *snapshot()["bw"][:2]]}, mode="add")
    plan = replace(plan, origins={"bw": (LIST, CustomerOrigin("expression", "VIP", 3))})

    text = group_origin(plan, plan.groups[0])

    assert "3 different customers" in text and "2 of them were already members" in text


@pytest.mark.parametrize(("kind", "subject"), [("list", "in the list"), ("expression", "Selected customers")])
def test_subject_of_mode(kind, subject):
    "The description of the mode names a list only if the customers come from a list. A new group has no members."
    plan = with_origin(CustomerOrigin(kind, "VIP", 3))
    new = planned(wanted={"n": ["c-001"]}, create={"n": "New"}, mode="add")
    new = replace(new, origins={"n": plan.origins["an"]})

    assert subject in mode_texts(plan)[0] and ("list" in " ".join(mode_texts(plan))) == (kind == "list")
    assert subject in mode_texts(new)[0] and "stay" not in " ".join(mode_texts(new))


def test_table_and_selection():
    "Customers that were passed in Python come from a table. A selection contains only the origins of its groups."
    plan = planned(create={"n": "New"})

    assert plan.origins.keys() == {"an", "bw"}
    assert plan.origins["an"] == (CustomerOrigin("table", n_customers=2),)
    assert "From:" not in plan.summary()
    assert plan.select(["an"]).origins.keys() == {"an"}


def test_list_and_expression(tmp_path):
    "A list is stored with its file name, its rows, and its customers, followed by the expression."
    path = tmp_path / "Kari Moe" / "vip_may.csv"
    path.parent.mkdir()
    path.write_text("navn;customer_uid\nA;c-001\nB;c-002\nA;c-001\n", encoding="utf-8")

    found = desired_customers(snapshot(), path=path, expression=None, also="Stamkunder Tromsø").origins

    assert found == (
        CustomerOrigin("list", "vip_may.csv", n_customers=2, n_rows=3, unused_columns=("navn",)),
        CustomerOrigin("expression", "Stamkunder Tromsø", 25),
    )


def test_declared_groups(tmp_path):
    "Each declared group has its list, its expression, or its rule as origin."
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "staff.csv").write_text("customer_uid;navn\nc-001;A\n", encoding="utf-8")
    keys = {"an": 'list = "lists/staff.csv"', "bw": 'expression = "st"', "st": 'rule = "n_groups == 1"'}
    lines = [f'[groups.{group}]\n{key}\nmode = "add"\n' for group, key in keys.items()]
    (tmp_path / "groups.toml").write_text("".join(lines), encoding="utf-8")

    plan = plan_declared(snapshot(), read_declared_groups(tmp_path / "groups.toml"))

    [(staff,), (black_week,), (regular,)] = [plan.origins[uid] for uid in keys]
    assert staff == CustomerOrigin("list", "staff.csv", n_customers=1, n_rows=1, unused_columns=("navn",))
    assert (black_week.kind, black_week.text) == ("expression", "st")
    assert regular == CustomerOrigin("rule", "n_groups == 1", 15)


def test_personal_data_in_file_name():
    "The origin contains no folder, no email address, and no control or direction characters."
    origin = list_origin(Path("kari/kari@example.no \u202e\x1b[31m\n.csv"), n_customers=1, n_rows=1)

    assert "kari" not in origin.text
    assert not {"\u202e", "\x1b", "\n"} & set(str(origin))
