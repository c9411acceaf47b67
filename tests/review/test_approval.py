"""Approvals: one decision on one plan, and everything that is none."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from frgroups.errors import CorruptFileError, InputError, NotApprovedError
from frgroups.internals.checksummed_json import read_checksummed, write_checksummed
from frgroups.plan.limits import Limits
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.approval import approve_plan, check_approval
from frgroups.snapshot.from_frames import sample_snapshot


@pytest.fixture
def plan():
    """A plan that adds one customer."""
    return plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=Limits(snapshot_max_age=None))


@pytest.fixture
def other(plan):
    """A plan that adds another customer."""
    return plan_memberships(sample_snapshot(), {"vip": ["c-8"]}, limits=plan.limits)


def test_an_approval_file_approves_its_plan(plan, tmp_path):
    "The file is written for its owner alone, and tells who agreed and when."
    path = approve_plan(plan, tmp_path / "ok.json", by=" Kari ")

    approval = check_approval(plan, path)

    assert (approval.how, approval.digest, approval.by) == ("self", plan.digest, "Kari")
    assert datetime.now(UTC) - approval.at < timedelta(minutes=1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert check_approval(plan, str(path)) == approval


@pytest.mark.parametrize("form", [str, str.upper, lambda digest: digest[:12], lambda digest: f" {digest[:40]}\n"])
def test_a_digest_approves_its_plan(plan, form):
    "All 64 digits or the first 12 at least, in any case."
    approval = check_approval(plan, form(plan.digest))

    assert (approval.how, approval.digest, approval.by, approval.at) == ("self", plan.digest, "", None)
    assert approval.to_dict() == {"how": "self", "by": "", "at": ""}


def test_an_approval_of_another_plan_is_none(plan, other, tmp_path):
    "Neither the file nor the digest of one plan approves another."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")

    with pytest.raises(
        NotApprovedError, match=f"approves plan {plan.digest[:12]}, not this one, {other.digest[:12]}"
    ):
        check_approval(other, path)
    with pytest.raises(NotApprovedError, match="the digest of another plan"):
        check_approval(other, plan.digest)
    with pytest.raises(NotApprovedError, match="the digest of another plan"):
        check_approval(plan, plan.digest[:12] + "0" * 52)


def test_one_approval_file_is_for_one_plan_file(plan, other, tmp_path):
    "The same change planned again has the same digest, and needs an approval of its own all the same."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")

    again = plan_memberships(sample_snapshot(), {"VIP": {"c-7"}}, limits=plan.limits)

    assert check_approval(plan, path).digest == again.digest
    with pytest.raises(NotApprovedError, match="One approval is for one apply"):
        check_approval(again, path)


@pytest.mark.parametrize("approve", ["", "  ", None, True, 7, "ja", "0" * 65, "none.json", "a" * 999 + "/b", b"abc"])
def test_what_is_no_approval_is_refused(plan, approve):
    "Nothing, a word, a number, a file that is not there."
    with pytest.raises(NotApprovedError, match="is neither a digest"):
        check_approval(plan, approve)


def test_a_short_digest_is_refused(plan):
    "Eleven digits do not stand for a plan, even when they are right."
    with pytest.raises(NotApprovedError, match="too short"):
        check_approval(plan, plan.digest[:11])


def test_a_rejection_refuses_with_its_reason(plan, tmp_path):
    "A file that says no is never a yes, with or without a reason."
    said = approve_plan(plan, tmp_path / "no.json", by="Kari", reject="wrong week")
    silent = approve_plan(plan, tmp_path / "silent.json", by="Kari", reject="")

    with pytest.raises(NotApprovedError, match=r"Kari rejected plan .*: wrong week"):
        check_approval(plan, said)
    with pytest.raises(NotApprovedError, match="no reason given"):
        check_approval(plan, silent)


@pytest.mark.parametrize("name", ["no.json", "abc.rejected.approval (1).json", "nei takk", "x.approval.json"])
def test_a_rejection_from_the_page_counts_under_any_name(plan, tmp_path, name):
    "Browsers and people rename what the page hands out; beside the plan or the approval it is a no all the same."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    yes = approve_plan(plan, tmp_path / "yes.json", by="Kari")
    content = read_checksummed(approve_plan(plan, tmp_path / "made.json", by="Ola", reject="not now"), "approval")
    (tmp_path / "made.json").unlink()
    write_checksummed(tmp_path / name, "approval", content | {"from": "page"})

    for approve in (yes, plan.digest):
        with pytest.raises(NotApprovedError, match=r"Ola rejected plan .*: not now"):
            check_approval(saved, approve)


@pytest.mark.parametrize("spoil", [lambda text: text[:60], lambda text: text.replace("not now", "never")])
def test_a_rejection_that_was_cut_or_altered_is_no_silence(plan, other, tmp_path, spoil):
    "Nothing is sent until it is made anew or taken away. One of another plan is not minded."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    no = approve_plan(plan, tmp_path / "no.rejected.approval.json", by="Ola", reject="not now")
    no.write_text(spoil(no.read_text()))

    with pytest.raises(NotApprovedError, match="was cut or altered, and says no"):
        check_approval(saved, plan.digest)

    theirs = approve_plan(other, tmp_path / "theirs.approval.json", by="Ola", reject="not now")
    no.write_text(theirs.read_text().replace("not now", "never"))
    theirs.unlink()
    assert check_approval(saved, plan.digest).how == "digest"


def test_a_file_of_another_program_is_no_rejection(plan, tmp_path):
    "Though it holds the same words: only what names this plan, or is called a rejection, is minded."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    (tmp_path / "survey.json").write_text('{"decision": "rejected", "digest": "none"}')

    assert check_approval(saved, plan.digest).how == "digest"


def test_a_reason_without_end_is_refused(plan, tmp_path):
    "So that no rejection is too large a file to be looked at."
    with pytest.raises(InputError, match=r"10,000 characters at most, not 20,000"):
        approve_plan(plan, tmp_path / "no.json", by="Kari", reject="x" * 20_000)


def test_an_approval_ends(plan, tmp_path):
    "72 hours, or what was asked; afterwards it is none."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")
    old = approve_plan(plan, tmp_path / "old.json", by="Kari", valid_for="0s")
    content = read_checksummed(path, "approval")

    assert datetime.fromisoformat(content["until"]) - datetime.fromisoformat(content["at"]) == timedelta(hours=72)
    with pytest.raises(NotApprovedError, match="by Kari was valid until"):
        check_approval(plan, old)


def test_a_blocked_plan_can_only_be_rejected(tmp_path):
    "An approval does not lift a limit; it names the limit instead."
    blocked = plan_memberships(sample_snapshot(), {"vip": []}, mode="mirror")

    with pytest.raises(NotApprovedError, match=r"is blocked and cannot be approved: .*without a member"):
        approve_plan(blocked, tmp_path / "ok.json", by="Kari")
    assert not (tmp_path / "ok.json").exists()
    assert approve_plan(blocked, tmp_path / "no.json", by="Kari", reject="too many").exists()


@pytest.mark.parametrize("by", ["", "  "])
def test_an_approval_needs_a_name(plan, tmp_path, by):
    "Nobody cannot agree."
    with pytest.raises(InputError, match="Pass by="):
        approve_plan(plan, tmp_path / "ok.json", by=by)


def test_an_altered_approval_is_refused(plan, tmp_path):
    "Turning a rejection into an approval by hand is noticed."
    path = approve_plan(plan, tmp_path / "no.json", by="Kari", reject="no")
    path.write_text(path.read_text().replace('"rejected"', '"approved"'))

    with pytest.raises(CorruptFileError, match="was altered"):
        check_approval(plan, path)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"until": "soon"}, "'soon' is not a moment"),
        ({"until": None}, "until is no text"),
        ({"at": "0001-01-01T00:00:00+23:59"}, "is not a moment"),
        ({"digest": 5, "by": None}, "by, digest is no text"),
        ({"by": " "}, "does not say who agreed"),
        ({"until": "2999-01-01T00:00:00"}, "has no time zone"),
        ({"decision": "yes"}, "rejected plan"),
    ],
)
def test_an_approval_written_by_hand_is_checked_like_any_other(plan, tmp_path, values, told):
    "The right checksum over strange values is refused; any decision but 'approved' is a no."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    path = write_checksummed(tmp_path / "hand.json", "approval", content | values)

    with pytest.raises((CorruptFileError, NotApprovedError), match=told):
        check_approval(plan, path)


def test_the_end_of_an_approval_is_told_in_utc(plan, tmp_path):
    "Whatever zone a file gives its moments in, they are told in the one that is named."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    path = write_checksummed(tmp_path / "hand.json", "approval", content | {"until": "2026-11-01T01:30:00+09:00"})

    with pytest.raises(NotApprovedError, match="2026-10-31 16:30 UTC"):
        check_approval(plan, path)


def test_a_rejection_beside_an_approval_counts_however_the_folder_is_written(plan, tmp_path, monkeypatch):
    "The folder of an approval that is named from one's home folder on is looked through as any other."
    monkeypatch.setenv("HOME", str(tmp_path))
    approve_plan(plan, tmp_path / "ok.approval.json", by="Kari")
    approve_plan(plan, tmp_path / "no.approval.json", by="Ola", reject="Too early")

    with pytest.raises(NotApprovedError, match="Ola rejected"):
        check_approval(plan, "~/ok.approval.json")


@pytest.mark.parametrize("odd", [{"until": 5}, {"until": "soon"}, {"at": None}, {"planned_at": ""}, {"by": 5}])
def test_a_rejection_counts_whatever_else_is_in_it(plan, tmp_path, odd):
    "A no that was written by hand is a no, though its moments are none."
    approval = approve_plan(plan, tmp_path / "ok.approval.json", by="Kari")
    no = read_checksummed(approve_plan(plan, tmp_path / "no.approval.json", by="Ola", reject="Too early"), "approval")
    write_checksummed(tmp_path / "no.approval.json", "approval", no | odd)

    with pytest.raises(NotApprovedError, match=r"rejected plan .* Too early"):
        check_approval(plan, approval)


def test_an_approval_that_lacks_a_field_is_refused(plan, tmp_path):
    "What is missing is named."
    path = write_checksummed(tmp_path / "hand.json", "approval", {"digest": plan.digest, "decision": "approved"})

    with pytest.raises(CorruptFileError, match="lacks at, by, planned_at, reason, until"):
        check_approval(plan, path)


def test_a_plan_file_is_no_approval(plan, tmp_path):
    "Handing the plan itself in approves nothing."
    with pytest.raises(InputError, match="is a 'frgroups plan', not a approval"):
        check_approval(plan, plan.save(tmp_path / "p.json"))
    with pytest.raises(InputError, match="cannot be read"):
        check_approval(plan, tmp_path)


def test_no_uid_of_a_customer_is_in_an_approval(plan, tmp_path):
    "An approval can be mailed: it names the digest, the person and the moments."
    text = approve_plan(plan, tmp_path / "ok.json", by="Kari").read_text()

    assert set(json.loads(text)["content"]) == {"digest", "planned_at", "decision", "reason", "by", "at", "until"}
    assert not re.search(r"\bc-\d", text)


@pytest.mark.parametrize("words", [{"by": "Kari \udce5s"}, {"by": "Kari", "reject": "for\ud83d"}])
def test_half_a_character_is_refused_where_it_is_typed(plan, tmp_path, words):
    "A name or a reason that no file can hold is an error of ours, and no file is left."
    with pytest.raises(InputError, match=r"half of one"):
        approve_plan(plan, tmp_path / "a.json", **words)

    assert list(tmp_path.iterdir()) == []


def test_half_a_character_put_into_an_approval_is_an_alteration(plan, tmp_path):
    "JSON can spell one, and the checksum notices it."
    path = approve_plan(plan, tmp_path / "a.json", by="Kari")
    path.write_text(path.read_text().replace('"Kari"', '"Kari\\ud83d"'))

    with pytest.raises(CorruptFileError, match="altered"):
        check_approval(plan, path)
