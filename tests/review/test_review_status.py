"""Tests for the texts of the review page about importance, wide limits, consequences, and the state of a plan."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import frgroups as fg
from frgroups.api.environments import STAGE
from frgroups.apply.journal import Journal
from frgroups.apply.plan_review import review_state
from frgroups.apply.run_registry import registered_journal
from frgroups.cli.main import main
from frgroups.plan.finding import APPROVAL_CHECK, NOTICE_RULES, WARNING_RULES, Finding, sort_findings
from frgroups.plan.limits import Limits
from frgroups.review.limit_rows import EXACT_LIMITS, RESULT_TEXTS, UNKNOWN_YET, limit_rows
from frgroups.review.markdown import review_markdown, review_text
from frgroups.review.page import review_html
from frgroups.review.plan_sentences import (
    REJECTION_CONSEQUENCES,
    TOP_RULES,
    WITHDRAW_ADVICE,
    approval_consequences,
    headline,
    top_warnings,
)
from frgroups.review.plan_status import (
    SentChanges,
    interrupted_status,
    partly_applied_status,
    superseded_status,
)
from frgroups.review.rejections import rejections_in_force
from frgroups.review.run_results import RunResults, open_changes
from frgroups.review.wider_limits import wider_limits
from frgroups.review.writer import write_review
from tests.review.test_review_formats import content
from tests.review.test_writer import Page, csv_rows, planned, snapshot
from tests.world import UIDS, put_group_of_all, select_sandbox


@pytest.fixture
def saved(running, monkeypatch, tmp_path):
    """Return a plan that creates a group in a sandbox, read from a plan file."""
    select_sandbox(running, monkeypatch)
    put_group_of_all(running)
    plan = fg.plan_memberships(loaded(running), {"new": UIDS[:2]}, create={"new": "New"}, purpose="Black Week")
    return fg.read_plan(plan.save(tmp_path / "new.plan.json"))


def loaded(running):
    """Return a snapshot of a sandbox."""
    with running.client() as client:
        return fg.load_snapshot(client, cache=False)


def expired(plan):
    """Save a copy of a plan that is older than its age limit, and return it."""
    then = datetime.now(UTC) - timedelta(days=8)
    return fg.read_plan(replace(plan, planned_at=then, snapshot_taken_at=then).save(plan.path))


def test_order_of_findings():
    "The page starts with the most important findings, with a word for warnings, and counts the other findings."
    rules = ["covered", "own_pricelist", "other_type", "unverifiable", "two_tiers", "ended", "withdrawn_consent"]
    plan = planned(wanted={"an": ["c-001"]})
    plan = replace(plan, snapshot=None, notes=tuple(Finding(rule, f"Text {rule}.") for rule in rules))

    text = Page(review_html(plan)).text

    places = [text.index(f"Text {rule}.") for rule in ("withdrawn_consent", "ended", "two_tiers", "other_type")]
    assert places == sorted(places) and places[-1] < text.index("See all 7 findings") < text.index("own_pricelist")
    assert "(3 more)" in text and "Warning: Text ended." in text and "Warning: Text covered." not in text
    assert "Warning: Text ended." in review_text(plan)


def test_rules_have_one_order():
    "Warnings are notice rules. Blocking findings come first, and the order of equal findings does not change."
    findings = [Finding(rule, rule) for rule in NOTICE_RULES] + [Finding("removals_total", "", True)]
    ordered = [finding.rule for finding in sort_findings(findings)]

    assert set(WARNING_RULES) < set(NOTICE_RULES)
    assert ordered[: len(WARNING_RULES) + 3] == ["removals_total", *WARNING_RULES, "holdout", "own_pricelist"]


def test_finding_column_in_words():
    "The page, Markdown, and text describe marked customers in words. The plan table contains rule ids."
    plan = planned()

    rows = {row["Customer uid"]: row for row in Page(review_html(plan)).rows if "Customer uid" in row}

    assert rows["new-1"]["Finding"] == "not in the data used"
    assert "not in the data used" in next(line for line in review_text(plan).splitlines() if "new-1 " in line)
    assert set(plan.table()["finding"]) == {"", "unknown_customers"}


def test_wider_limits():
    "Limits that are wider than the defaults are named with their usual values, and emptied groups have a mark."
    own = {"an": Limits(additions_per_group=2000)}
    limits = Limits(removals_total=1200, emptied_groups=1, removal_share=None, removals_per_group=None, per_group=own)
    plan = planned(wanted={"bw": [], "an": ["c-001"]}, limits=replace(limits, removal_share_total=None))

    text = Page(review_html(plan)).text

    assert "6 limits are wider than usual" in text
    assert "removals in all groups: 1,200 instead of 500" in text and "Will be empty" in text
    assert wider_limits(plan).lines[-1].endswith("2,000 instead of 1,000 for Ansatte")
    assert {row.limit: row.usual for row in limit_rows(plan)}["Removals in all groups"] == "500"
    assert "Usual" in text and "wider than usual" in review_markdown(plan)
    assert "Group Ansatte has separate limits" in text and "Group an has" not in text
    status = superseded_status("3f" * 32)
    assert "wider than usual" not in review_html(plan, status=status) + review_markdown(plan, status=status)


@pytest.mark.parametrize("limits", [Limits(), Limits(removals_total=400, removal_floor=None, plan_max_age="2d")])
def test_usual_limits(limits):
    "The defaults and stricter limits are not called wide."
    plan = planned(wanted={"an": ["c-001"]}, limits=limits)

    assert not wider_limits(plan)
    assert "wider than usual" not in review_html(plan) and "Usual" not in Page(review_html(plan)).text


def test_limits_of_several_groups():
    "The row of a limit names the largest group and counts others. A limit that is off still shows the number."
    taken = snapshot(sizes=(("bw", 40), ("st", 25), ("an", 20)))
    over = planned(taken, {"bw": [], "st": ["c-001"], "an": ["c-001"]})
    rows = {row.limit: row for row in limit_rows(over)}
    unlimited = Limits(removals_per_group=None, removal_share=None)
    off = planned(taken, {"bw": ["c-001"]}, limits=unlimited)
    one_off = planned(taken, {"bw": ["c-001"], "st": ["c-001"]}, limits=Limits(per_group={"bw": unlimited}))

    assert "in Black Week VIP and 2 more groups" in rows["Removals in one group"].plan
    assert limit_rows(off)[0].plan == "39 of 40 in Black Week VIP" and limit_rows(off)[0].result == "off"
    assert "39 in 1 group where the limit is off" in limit_rows(one_off)[0].plan


def test_limits_that_are_off():
    "The page claims no check of limits that are off, and no later checks of a plan without changes."
    limits = Limits(removals_total=None)
    off = Page(review_html(planned(limits=limits))).text
    irrelevant = Page(review_html(planned(wanted={"an": ["c-001"]}, limits=limits))).text
    empty = Page(review_html(planned(wanted={}))).text

    assert "Within the limits that are on." in off and "Within all limits" not in off
    assert "Within all limits" in irrelevant and "off: removals" not in irrelevant
    assert "Within all limits" in empty and "before the changes are sent" not in empty and "Not needed" in empty


@pytest.mark.parametrize("reason", ["status", "blocked", "decision"])
@pytest.mark.parametrize("render", [lambda *plan, **state: Page(review_html(*plan, **state)).text, review_text])
def test_texts_for_a_decision(render, reason):
    "Only a review with a decision announces later checks and asks for a check before the approval."
    plan = planned(wanted={"an": ["c-001"]}, limits=Limits(additions_total=0 if reason == "blocked" else 5))
    plan = replace(plan, snapshot=None, notes=(*plan.notes, Finding("own_pricelist", f"Prices. {APPROVAL_CHECK}")))

    text = render(plan, status=superseded_status("3f" * 32) if reason == "status" else None)

    found = [words in text for words in (APPROVAL_CHECK, UNKNOWN_YET, RESULT_TEXTS["later"])]
    assert "Prices." in text and found == [reason == "decision"] * 3


def test_consequences():
    "The page and Markdown state what an approval and a rejection do. Only a plan with a new group mentions it."
    plan = planned(wanted={"an": ["c-001"]})
    created = planned(wanted={"n": ["c-001"]}, create={"n": "New"})

    for text in (Page(review_html(plan)).text, review_markdown(plan)):
        assert approval_consequences(plan) in text and REJECTION_CONSEQUENCES in text
    assert "does not delete" in approval_consequences(created) and "delete" not in approval_consequences(plan)


def test_rejected_plan(saved, tmp_path, capsys):
    "The review of a rejected plan states the reviewer and the reason in one line, and offers no approval."
    fg.approve_plan(saved, tmp_path / "no.json", by="Ola Berg", reject="wrong\nweek")
    page = fg.save_review(saved, tmp_path / "r.html").read_text(encoding="utf-8")

    assert "Ola Berg rejected these changes on " in page and "wrong week" in page and 'id="approve"' not in page
    assert page == fg.save_review(saved, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Ola Berg rejected" in fg.save_review(saved, tmp_path / "r.md").read_text(encoding="utf-8")
    assert "wrong week" in rejections_in_force(saved)[0].message(saved)
    assert main(["review", str(saved.path)]) == 0
    assert "Warning: Ola Berg rejected" in capsys.readouterr().err
    fg.approve_plan(saved, tmp_path / "no2.json", by="Per Dahl", reject="too many")
    message = review_state(saved).status.message
    assert "Per Dahl rejected" in message and "Ola Berg rejected" in message and "new approval" in page


def test_expired_plan(saved, tmp_path, capsys):
    "An expired plan cannot be approved: exit code 3, no approval file, and no approval texts in its review."
    plan = expired(saved)
    page = fg.save_review(plan, tmp_path / "r.html").read_text(encoding="utf-8")

    assert "This plan expired on " in page and "approved <" not in page and 'id="approve"' not in page
    assert main(["approve", str(plan.path), "--by", "Kari"]) == 3
    assert not plan.path.with_suffix(".approval.json").exists()
    assert main(["approve", str(plan.path), "--by", "Kari", "--reject", "too late"]) == 0
    capsys.readouterr()


def test_applied_and_undone_plan(running, saved, tmp_path):
    "The review states that a plan was applied or undone. The undo plan states the date and the purpose once."
    with running.client(writable=True) as client:
        receipt = fg.apply_plan(client, saved, approval=saved.digest)
        assert "was applied on" in str(review_state(saved).status)
        undo = fg.plan_undo(receipt)
        page = Page(review_html(undo)).text
        fg.apply_plan(client, undo, approval=undo.digest)

    assert f"{receipt.started_at:%Y-%m-%d}" in undo.purpose and "Black Week" in page
    assert page.count("Undo:") == 1
    assert f"undone by plan {undo.digest[:12]}" in fg.save_review(saved, tmp_path / "r.txt").read_text()


def test_status_of_waiting_plan(saved):
    "A plan that waits for a decision has no status."
    assert saved.base_url != STAGE and review_state(saved).status is None


def applied(running, plan):
    """Apply a plan in a sandbox, and return the receipt."""
    with running.client(writable=True) as client:
        return fg.apply_plan(client, plan, approval=plan.digest)


def test_partly_applied_plan(running, saved, tmp_path):
    "All formats state how many changes of a partly applied plan took effect, and the resulting number of members."
    plan = fg.plan_memberships(loaded(running), {"new": [*UIDS[:2], "x-1", "x-2", "x-3"]}, create={"new": "New"})
    plan = fg.read_plan(plan.save(tmp_path / "partly.plan.json"))
    applied(running, plan)

    status = review_state(plan).status

    assert status.level == "warning"
    for suffix in ("html", "md", "txt", "xlsx"):
        text = content(fg.save_review(plan, tmp_path / f"r.{suffix}"))
        assert "partly applied on" in text and "2 of 5 changes took effect" in text
        assert "3 were rejected by the server" in text and "New had 2 members" in text
        assert "Partly applied: 2 of 5 additions to New" in text and "2 of 5 customers joined the new group" in text
        assert "rejected by the server: x-1, x-2, and x-3" in text and "Within all limits" not in text
    assert '"result"' in content(fg.save_review(plan, tmp_path / "r.csv"))
    assert {row["customer_uid"]: row["result"] for row in csv_rows(plan, status)} == {
        **dict.fromkeys(UIDS[:2], "verified"),
        **dict.fromkeys(["x-1", "x-2", "x-3"], "rejected"),
    }
    rows = [row for row in Page(content(tmp_path / "r.html")).rows if "Customer uid" in row]
    assert [row["Result"] for row in rows] == ["rejected by the server"] * 3 + ["applied"] * 2


def test_sizes_of_groups_with_equal_names():
    "The status of a partly applied plan states the number of members of each group, also if two names are equal."
    status = partly_applied_status(None, {"verified": 1, "rejected": 1}, sizes=[("VIP", 3), ("VIP", 4)])

    assert "VIP had 3 members and VIP had 4 members" in status.message


def test_changes_already_in_effect(running, saved, tmp_path):
    "All formats count only the changes that the run made, and the members before the run."
    running.put_group("vip", "VIP")
    running.add_members("vip", UIDS[:6])
    plan = fg.plan_memberships(loaded(running), {"vip": UIDS[2:10]}, mode="mirror", limits=Limits(removal_share=None))
    plan = fg.read_plan(plan.save(tmp_path / "vip.plan.json"))
    running.add_members("vip", UIDS[6:9])
    running.remove_members("vip", UIDS[:1])
    applied(running, plan)

    for suffix in ("html", "md", "txt", "xlsx"):
        text = re.sub(r"&gt;|\\>", ">", content(fg.save_review(plan, tmp_path / f"r.{suffix}")))
        assert "1 of 4 additions and 1 of 2 removals in VIP (4 were already in effect)" in text.replace("\\", "")
        assert (
            "1 customer joined VIP, 1 left, 3 were already members, and 1 had already left (8 -> 8 members)" in text
        )
        assert "2 of 6 customers joined or left a group. 4 changes were already in effect before the run" in text


def test_names_of_rejected_customers():
    "A sentence names the first customers with a rejected change, and their names if they are known."
    plan = planned(wanted={"an": [f"x-{n}" for n in range(7)]}, mode="add")
    results = RunResults({("an", f"x-{n}", "add"): "rejected" for n in range(7)})

    [sentence] = open_changes(plan, results, {"x-0": "Kari Moe"})

    assert "7 additions to Ansatte" in sentence and "x-0 (Kari Moe), x-1, x-2, x-3, x-4, and 2 more" in sentence


@pytest.mark.parametrize("is_undone", [False, True])
def test_reviewer_of_applied_plan(running, saved, tmp_path, is_undone):
    "The review of an applied or undone plan states the reviewer and the time, and has no form for a decision."
    fg.approve_plan(saved, tmp_path / "new.approval.json", by="Kari Moe")
    with running.client(writable=True) as client:
        receipt = fg.apply_plan(client, saved, approval=tmp_path / "new.approval.json")
        if is_undone:
            undo = fg.plan_undo(receipt)
            fg.apply_plan(client, undo, approval=undo.digest)

    page = content(fg.save_review(saved, tmp_path / "r.html"))

    assert "Kari Moe approved the plan on 20" in page and 'id="approve"' not in page
    assert ("Undone: " if is_undone else "Applied: ") + "2 additions to New" in page
    assert ("2 customers joined the new group New (0 -> 2 members)" in page) != is_undone


def test_applied_plan_without_receipt(running, saved):
    "If the receipt is damaged, the review does not state that the changes took effect."
    applied(running, saved).path.write_text("damaged", encoding="utf-8")

    status = review_state(saved).status

    assert status.level == "warning" and status.results is None and "not known" in status.message


def test_applied_plan_is_not_an_alarm(running, saved, tmp_path, capsys):
    "The review of an applied plan has no alarm color, and the command prints no warning."
    applied(running, saved)

    assert review_state(saved).status.level == "done"
    page = fg.save_review(saved, tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'class="verdict done"' in page and 'class="verdict blocked"' not in page
    assert main(["review", str(saved.path)]) == 0
    captured = capsys.readouterr()
    assert "was applied on" in captured.out and "Warning" not in captured.out + captured.err


def interrupted(running, plan, monkeypatch):
    """Start a plan, and simulate a crash before the first response is recorded in the journal."""
    write = Journal.write

    def crash(journal, event, **facts):
        if event == "outcome" and facts.get("uids"):
            raise KeyboardInterrupt
        write(journal, event, **facts)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "write", crash)
        applied(running, plan)


@pytest.mark.parametrize("suffix", ["html", "md", "txt", "xlsx"])
def test_interrupted_plan(running, saved, tmp_path, monkeypatch, suffix):
    "The review of an interrupted plan states how many changes were sent, and that it can be resumed or finalized."
    interrupted(running, saved, monkeypatch)

    text = content(fg.save_review(saved, tmp_path / f"r.{suffix}"))

    assert review_state(saved).status.level == "warning"
    assert "interrupted" in text and "2 of 2 changes were sent" in text
    assert "for 2, no response was recorded" in text
    assert "resume the plan" in text and "finalize it" in text
    assert "Interrupted: at least 0 of 2 additions to New" in text
    assert set(review_state(saved).status.results.states.values()) == {"unknown"}


def test_all_changes_were_sent(running, saved, monkeypatch):
    "If a run sent all changes and one did not take effect, the review does not state that others must be sent."
    monkeypatch.setattr("frgroups.apply.executor.READ_BACK_WAITS", ())
    running.misbehave(unknown_uids="ignore")
    plan = fg.plan_memberships(loaded(running), {"new": [*UIDS[:2], "x-1"]}, create={"new": "New"})
    assert applied(running, plan).counts == {"verified": 2, "not_effective": 1}

    status = review_state(plan).status

    assert "3 of 3 changes were sent" in status.message and "was interrupted" not in status.message
    assert "send the other changes" not in status.advice and "read the result again" in status.advice


def test_newer_data_of_interrupted_run(running, saved, monkeypatch):
    "Newer data shows which changes of an interrupted run are in effect."
    interrupted(running, saved, monkeypatch)
    fg.save_snapshot(loaded(running))

    status = review_state(saved).status

    assert set(status.results.states.values()) == {"verified"} and status.results.sizes == {"new": 2}
    assert "2 of the 2 changes" in status.message and "According to the data read at" in status.message


def test_results_of_interrupted_runs(running, saved, monkeypatch):
    "The states of the last receipt and of the later requests in the journal are combined."
    interrupted(running, saved, monkeypatch)
    with running.client() as client:
        fg.finalize_plan(client, saved)
    assert set(review_state(saved).status.results.states.values()) == {"verified"}
    path = registered_journal(saved)
    with Journal(path) as journal:
        uids = [UIDS[0]]
        journal.write("intent", group="new", change="add", uids=uids)
        journal.write("outcome", group="new", change="add", uids=uids, result="rejected", message="x@y.no is unknown")
        journal.write("end", complete=False, counts={})

    status = review_state(saved).status

    assert dict(status.results.states) == {("new", UIDS[0], "add"): "rejected", ("new", UIDS[1], "add"): "verified"}
    assert "x@y.no" not in str(status.results.details) and status.results.sizes == {}


def test_interrupted_plan_that_expired(running, saved, monkeypatch, tmp_path):
    "The review of an interrupted plan that has expired states that it can only be finalized."
    then = datetime.now(UTC) - timedelta(days=7) + timedelta(seconds=30)
    old = replace(saved, planned_at=then, snapshot_taken_at=then, limits=replace(saved.limits, snapshot_max_age=None))
    old = fg.read_plan(old.save(saved.path))
    interrupted(running, old, monkeypatch)
    monkeypatch.setattr("frgroups.apply.plan_entry.plan_age_violations", lambda limits, age: ["too old"])

    advice = review_state(old).status.advice

    assert "cannot be resumed" in advice and "finalize" in advice


def test_interrupted_plan_that_was_rejected(running, saved, monkeypatch, tmp_path):
    "The review of an interrupted plan names the reviewers who approved and rejected it."
    interrupted(running, saved, monkeypatch)
    fg.approve_plan(saved, tmp_path / "no.json", by="Ola Berg", reject="wrong week")

    status = review_state(saved).status

    assert status.title == "Interrupted" and "Ola Berg rejected these changes on 20" in status.message
    assert "withdrawn" in status.advice and "finalize" in status.advice


def test_interrupted_plan_with_damaged_journal(running, saved, monkeypatch):
    "If the journal is damaged, the review states that the number of sent changes is not known."
    interrupted(running, saved, monkeypatch)
    path = registered_journal(saved)
    path.write_bytes(path.read_bytes().replace(b"intent", b"1ntent"))

    assert "not known" in review_state(saved).status.message


@pytest.mark.parametrize(("n_accepted", "is_all_sent"), [(1, False), (1, True), (2, True)])
def test_next_step_of_interrupted_run(n_accepted, is_all_sent):
    "A resumed run sends the other changes, or repeats requests without a response, or only reads the result."
    status = interrupted_status(SentChanges(2, 2, n_accepted, 0, is_all_sent=is_all_sent), can_resume=True)

    assert ("send the other changes" in status.advice) != is_all_sent
    assert ("repeat the requests" in status.advice) == (is_all_sent and n_accepted == 1)


def test_sent_changes():
    "The sentences contain the numbers of accepted, rejected, and unanswered changes, and of verified changes."
    text = SentChanges(n=300, n_sent=120, n_accepted=100, n_rejected=5, n_verified=90).sentences()

    assert re.findall(r"\d+", text) == ["120", "300", "100", "5", "15", "90"]


FORMATS = ["html", "md", "txt", "xlsx"]
OPEN = Limits(
    removals_per_group=None,
    removal_share=None,
    removal_share_total=None,
    emptied_groups=3,
    removals_total=2000,
    additions_per_group=2000,
    additions_total=9000,
    plan_max_age="9d",
)


@pytest.mark.parametrize("suffix", FORMATS)
def test_all_wider_limits_are_listed(tmp_path, suffix):
    "All wider limits are listed, most dangerous first, after the sentence about the default limits."
    plan = planned(wanted={"bw": ["c-000"], "an": ["c-001"]}, limits=OPEN)

    text = content(write_review(plan, tmp_path / f"r.{suffix}")).replace("\\", "")

    wider = wider_limits(plan)
    assert len(wider.lines) == 8 and "8 limits" in wider.title
    places = [text.index(line) for line in wider.lines]
    assert places == sorted(places)
    words = ["without members", "off", "off", "off", "removals in all", "additions", "additions", "age of the plan"]
    assert all(word in line for word, line in zip(words, wider.lines, strict=True))
    assert "39 members leave Black Week VIP, and the limit is 4" in wider.blocked
    assert text.index(wider.blocked) < places[0]


def test_default_limits_before_green_statement():
    "If the default limits would block the plan, this sentence comes first, and the plan is not within all limits."
    page = Page(review_html(planned(wanted={"bw": ["c-000"]}, limits=OPEN))).text

    assert page.index("With the default limits, this plan would be blocked") < page.index("Within the limits")
    assert "Within all limits" not in page


def test_wider_limits_of_additions():
    "A plan without removals warns about no removal limit, and a plan without additions about no addition limit."
    additions = wider_limits(planned(wanted={"an": ["c-001"]}, limits=OPEN))
    removals = wider_limits(planned(wanted={"bw": ["c-000"]}, limits=OPEN))

    assert len(additions.lines) == 3 and not any("remov" in line or "without" in line for line in additions.lines)
    assert len(removals.lines) == 6 and not any("addition" in line for line in removals.lines)
    assert additions.blocked == ""


def test_wider_limits_of_undo_plan():
    "An undo plan that the default limits would block states the numbers, and the reason for its limits."
    group = {"bw": Limits(removals_per_group=39, removal_share=None, additions_per_group=0)}
    limits = Limits(removals_total=39, removal_share_total=None, additions_total=0, per_group=group)
    plan = replace(planned(wanted={"bw": ["c-000"]}, limits=limits), reverts="3f9c2a71d0e4" + "0" * 52)

    wider = wider_limits(plan)

    assert "39 members leave" in wider.blocked and "limit is 4" in wider.blocked
    assert wider.lines == (EXACT_LIMITS,)
    small = replace(plan, limits=replace(limits, removals_total=40), reverts=None)
    assert len(wider_limits(small).lines) == 2


def test_blocked_plan_and_default_limits():
    "A plan that exceeds its own limits has no sentence about the default limits."
    assert wider_limits(planned(wanted={"bw": ["c-000"]})).blocked == ""


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("wanted", "options", "words"),
    [
        ({"st": []}, {}, ["All 25 members of Stamkunder", "The list is empty."]),
        ({"st": ["c-100"]}, {}, ["All 25 members of Stamkunder", "1 other customer joins"]),
        ({"st": []}, {"mode": "keep_only"}, ["All 25 members of Stamkunder", "The list is empty."]),
        ({"st": []}, {"protect": ["c-003"]}, ["empty, so 24 of its 25 members leave"]),
        ({"st": [f"c-{n:03d}" for n in range(25)]}, {"mode": "remove"}, ["All 25 members of Stamkunder"]),
    ],
)
def test_emptied_group(tmp_path, suffix, wanted, options, words):
    "All formats start with a warning if all members of a group leave, or if its list is empty."
    plan = planned(wanted=wanted, limits=OPEN, **options)

    text = content(write_review(plan, tmp_path / f"r.{suffix}"))

    [finding] = [finding for finding in plan.findings if finding.rule in TOP_RULES]
    assert all(word in finding.message for word in words) and finding.is_warning
    at = text.index(finding.message.split(".")[0])
    assert text[:at].rstrip().endswith(("Warning:", "Warning:</strong>"))
    assert at < text.index("limits are wider")
    if suffix == "html":
        assert f'<p class="verdict warning"><strong>Warning:</strong> {finding.message}' in text


def test_no_emptied_group():
    "A plan that removes some members according to a list has no such warning."
    plans = [planned(), planned(wanted={"st": []}, mode="add"), planned(wanted={"st": []}, mode="remove")]

    assert not [finding for plan in plans for finding in plan.findings if finding.rule in TOP_RULES]


def test_many_emptied_groups():
    "If many groups are emptied, the first warnings name the largest groups, and the last one counts the others."
    sizes = tuple((f"g{n}", n + 1) for n in range(8))
    taken = snapshot(sizes=sizes, names={uid: uid for uid, _ in sizes})
    messages = top_warnings(planned(taken, {uid: [] for uid, _ in sizes}))

    assert len(messages) == 6 and "All 8 members" in messages[0] and "3 more groups" in messages[-1]


@pytest.mark.parametrize(
    ("limits", "is_open"),
    [(Limits(), False), (Limits(additions_total=9000), True), (Limits(additions_total=1), True)],
)
def test_limits_table_is_open(limits, is_open):
    "The limits table is open if a limit is exceeded or wider than usual."
    page = Page(review_html(planned(limits=limits)))

    [details] = [attributes for tag, attributes in page.tags if tag == "details" and "limits" in str(attributes)]
    assert ("open" in details) == is_open
    assert page.text.index("All limits of this plan") > page.text.index("Changes (4)")


def test_headline_words():
    "The headline states additions to a group and removals from a group."
    assert headline(planned(wanted={"an": ["c-001"]}, mode="add")) == "1 addition to Ansatte"
    assert headline(planned(wanted={"bw": [f"c-{n:03d}" for n in range(1, 40)]})) == "1 removal from Black Week VIP"


def test_words_for_reviewers(saved, tmp_path):
    "The page explains the mode in words, and all texts state that the operator withdraws a rejection."
    plan = planned(wanted={"an": ["c-001", "x-9"]}, mode="add")
    fg.approve_plan(saved, tmp_path / "no.json", by="Ola", reject="no")

    page = Page(review_html(plan)).text

    assert "(mode" not in page and "Members who are not in the list stay" in page
    assert WITHDRAW_ADVICE in page and WITHDRAW_ADVICE in review_state(saved).status.advice
    assert "program prints the plan code" in page and "program prints the plan code" in review_markdown(plan)
    assert sort_findings(plan.findings)[0].rule == "unknown_customers"


@pytest.mark.parametrize(
    ("n_before", "removals", "total"),
    [
        (12, "2 (the minimum for one group)", "20 (the minimum for all groups)"),
        (300, "30 (10% of 300", "75 (25% of 300"),
    ],
)
def test_allowed_removals_in_words(n_before, removals, total):
    "The maximum numbers of removals state only the part of the rule that determines them."
    taken = snapshot(sizes=(("bw", n_before),))
    plan = planned(taken, {"bw": [f"c-{n:03d}" for n in range(1, n_before)]})
    rows = {row.limit: row.allowed for row in limit_rows(plan)}

    assert rows["Removals in one group"].startswith(removals)
    assert rows["Removals as a share of the memberships"].startswith(total)
