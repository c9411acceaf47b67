"""Tests for the table of excluded customers in reviews."""

from dataclasses import replace

import pytest

from frgroups.review import page as page_module
from frgroups.review.excluded_customers import excluded_customers
from frgroups.review.page import review_html
from frgroups.review.writer import write_review
from tests.review.test_review_formats import ENDINGS, content
from tests.review.test_writer import Page, csv_rows, planned


def with_exclusions():
    """Return a plan that does not remove one protected customer and does not add two suppressed customers."""
    wanted = {"bw": [f"c-{n:03d}" for n in range(2, 40)], "an": ["c-005", "c-006", "c-007"]}
    return planned(wanted=wanted, protect=["c-001"], suppression_list=["c-005", "c-006"])


@pytest.mark.parametrize("ending", ENDINGS)
def test_excluded_customers(tmp_path, ending):
    "Each format lists the excluded customers with their reasons."
    text = content(write_review(with_exclusions(), tmp_path / f"r{ending}")).replace("\\", "")

    for word in ("c-001", "c-005", "c-006", "protected customer", "suppression list"):
        assert word in text
    assert ("Excluded customers (3)" in text) == (ending != ".csv")


def test_excluded_rows():
    "The page and the CSV review contain the same excluded changes, and the CSV review lists them last."
    plan = with_exclusions()

    rows = [row for row in Page(review_html(plan)).rows if "Reason" in row]

    expected = [("bw", "c-001"), ("an", "c-005"), ("an", "c-006")]
    assert sorted((row["Group uid"], row["Customer uid"]) for row in rows) == sorted(expected)
    last = csv_rows(plan)[plan.n_add + plan.n_remove :]
    assert sorted((row["customer_group_uid"], row["customer_uid"]) for row in last) == sorted(expected)
    assert {(row["change"], row["finding"]) for row in last} == {
        ("not removed", "excluded: protected customer"),
        ("not added", "excluded: suppression list"),
    }
    assert {row["group_name"] for row in last} == {"Black Week VIP", "Ansatte"}


def test_cut_table(monkeypatch):
    "If the page omits excluded changes, it states the numbers."
    monkeypatch.setattr(page_module, "MAX_EXCLUDED", 2)

    page = Page(review_html(with_exclusions()))

    assert len([row for row in page.rows if "Reason" in row]) == 2
    assert "first 2 of 3 excluded changes" in page.text


def test_no_exclusions():
    "A plan without excluded changes has no such table."
    assert excluded_customers(planned()).empty and "Excluded customers" not in review_html(planned())


def test_only_exclusions(tmp_path):
    "A plan of which all changes are excluded lists them."
    plan = planned(wanted={"an": ["c-005"]}, suppression_list=["c-005"], mode="add")

    assert plan.is_empty
    for ending in ENDINGS:
        assert "c-005" in content(write_review(plan, tmp_path / f"r{ending}"))


def test_contact_data_in_reasons(tmp_path):
    "The reasons in a review contain no email addresses."
    plan = with_exclusions()
    changes = tuple(replace(change, note="kari@example.no asked us to") for change in plan.excluded_changes)
    plan = replace(plan, excluded_changes=changes)

    for ending in ENDINGS:
        text = content(write_review(plan, tmp_path / f"r{ending}"))
        assert "asked us to" in text and "kari@example.no" not in text
