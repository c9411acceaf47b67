"""Tests of approvals and rejections."""

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


def test_file(plan, tmp_path):
    "An approval file approves its plan, contains who approved and when, and is readable only by its owner."
    path = approve_plan(plan, tmp_path / "ok.json", by=" Kari ")

    approval = check_approval(plan, path)

    assert (approval.how, approval.digest, approval.by) == ("self", plan.digest, "Kari")
    assert datetime.now(UTC) - approval.at < timedelta(minutes=1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert check_approval(plan, str(path)) == approval


@pytest.mark.parametrize("form", [str, str.upper, lambda digest: digest[:12], lambda digest: f" {digest[:40]}\n"])
def test_digest(plan, form):
    "All 64 digits, or at least the first 12, approve a plan. Case and surrounding whitespace do not matter."
    approval = check_approval(plan, form(plan.digest))

    assert (approval.how, approval.digest, approval.by, approval.at) == ("self", plan.digest, "", None)
    assert approval.to_dict() == {"how": "self", "by": "", "at": ""}


def test_other_plan(plan, other, tmp_path):
    "Neither the file nor the digest of one plan approves another plan."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")

    with pytest.raises(
        NotApprovedError, match=f"approves plan {plan.digest[:12]}, not this one, {other.digest[:12]}"
    ):
        check_approval(other, path)
    with pytest.raises(NotApprovedError, match="the digest of another plan"):
        check_approval(other, plan.digest)
    with pytest.raises(NotApprovedError, match="the digest of another plan"):
        check_approval(plan, plan.digest[:12] + "0" * 52)


def test_same_digest(plan, other, tmp_path):
    "A second plan file with the same digest needs its own approval file."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")

    again = plan_memberships(sample_snapshot(), {"VIP": {"c-7"}}, limits=plan.limits)

    assert check_approval(plan, path).digest == again.digest
    with pytest.raises(NotApprovedError, match="One approval is for one plan file"):
        check_approval(again, path)


@pytest.mark.parametrize("approve", ["", "  ", None, True, 7, "ja", "0" * 65, "none.json", "a" * 999 + "/b", b"abc"])
def test_invalid_argument(plan, approve):
    "A value that is not a digest, a file or a policy raises NotApprovedError."
    with pytest.raises(NotApprovedError, match="is neither a digest"):
        check_approval(plan, approve)


def test_short_digest(plan):
    "Eleven digits are not enough, even if they are correct."
    with pytest.raises(NotApprovedError, match="too short"):
        check_approval(plan, plan.digest[:11])


def test_rejection(plan, tmp_path):
    "A rejection file raises NotApprovedError with the reason, or states that there is none."
    said = approve_plan(plan, tmp_path / "no.json", by="Kari", reject="wrong week")
    silent = approve_plan(plan, tmp_path / "silent.json", by="Kari", reject="")

    with pytest.raises(NotApprovedError, match=r"Kari rejected plan .*: wrong week"):
        check_approval(plan, said)
    with pytest.raises(NotApprovedError, match="no reason given"):
        check_approval(plan, silent)


@pytest.mark.parametrize("name", ["no.json", "abc.rejected.approval (1).json", "nei takk", "x.approval.json"])
def test_renamed_rejection(plan, tmp_path, name):
    "A rejection that the page created is found under any file name, beside the plan or the approval."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    yes = approve_plan(plan, tmp_path / "yes.json", by="Kari")
    content = read_checksummed(approve_plan(plan, tmp_path / "made.json", by="Ola", reject="not now"), "approval")
    (tmp_path / "made.json").unlink()
    write_checksummed(tmp_path / name, "approval", content | {"from": "page"})

    for approve in (yes, plan.digest):
        with pytest.raises(NotApprovedError, match=r"Ola rejected plan .*: not now"):
            check_approval(saved, approve)


@pytest.mark.parametrize("spoil", [lambda text: text[:60], lambda text: text.replace("not now", "never")])
def test_corrupt_rejection(plan, other, tmp_path, spoil):
    "A corrupt rejection of this plan blocks the plan; a corrupt rejection of another plan does not."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    no = approve_plan(plan, tmp_path / "no.rejected.approval.json", by="Ola", reject="not now")
    no.write_text(spoil(no.read_text()))

    with pytest.raises(NotApprovedError, match="is corrupt, and may be a rejection"):
        check_approval(saved, plan.digest)

    theirs = approve_plan(other, tmp_path / "theirs.approval.json", by="Ola", reject="not now")
    no.write_text(theirs.read_text().replace("not now", "never"))
    theirs.unlink()
    assert check_approval(saved, plan.digest).how == "digest"


def test_unrelated_file(plan, tmp_path):
    "A file of another program does not count as a rejection, although it contains the same words."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    (tmp_path / "survey.json").write_text('{"decision": "rejected", "digest": "none"}')

    assert check_approval(saved, plan.digest).how == "digest"


def test_long_reason(plan, tmp_path):
    "A reason that would make the file too large to be searched raises InputError."
    with pytest.raises(InputError, match=r"10,000 characters at most, not 20,000"):
        approve_plan(plan, tmp_path / "no.json", by="Kari", reject="x" * 20_000)


def test_expiry(plan, tmp_path):
    "An approval expires after 72 hours, or after the given duration."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")
    old = approve_plan(plan, tmp_path / "old.json", by="Kari", valid_for="0s")
    content = read_checksummed(path, "approval")

    assert datetime.fromisoformat(content["until"]) - datetime.fromisoformat(content["at"]) == timedelta(hours=72)
    with pytest.raises(NotApprovedError, match="by Kari was valid until"):
        check_approval(plan, old)


def test_blocked_plan(tmp_path):
    "A blocked plan can be rejected. Approving it raises an error that contains the exceeded limit."
    blocked = plan_memberships(sample_snapshot(), {"vip": []}, mode="mirror")

    with pytest.raises(NotApprovedError, match=r"is blocked and cannot be approved: .*without a member"):
        approve_plan(blocked, tmp_path / "ok.json", by="Kari")
    assert not (tmp_path / "ok.json").exists()
    assert approve_plan(blocked, tmp_path / "no.json", by="Kari", reject="too many").exists()


@pytest.mark.parametrize("by", ["", "  "])
def test_empty_name(plan, tmp_path, by):
    "An approval without a name raises InputError."
    with pytest.raises(InputError, match="Pass by="):
        approve_plan(plan, tmp_path / "ok.json", by=by)


def test_altered_decision(plan, tmp_path):
    "The checksum detects a rejection that was changed to an approval."
    path = approve_plan(plan, tmp_path / "no.json", by="Kari", reject="no")
    path.write_text(path.read_text().replace('"rejected"', '"approved"'))

    with pytest.raises(CorruptFileError, match="was altered"):
        check_approval(plan, path)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"until": "soon"}, "'soon' is not a timestamp"),
        ({"until": None}, "until must be text"),
        ({"at": "0001-01-01T00:00:00+23:59"}, "is not a timestamp"),
        ({"digest": 5, "by": None}, "by, digest must be text"),
        ({"by": " "}, "has no name"),
        ({"until": "2999-01-01T00:00:00"}, "has no time zone"),
        ({"decision": "yes"}, "rejected plan"),
    ],
)
def test_invalid_fields(plan, tmp_path, values, told):
    "A file with a correct checksum and invalid fields is rejected. Any decision except 'approved' is a rejection."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    path = write_checksummed(tmp_path / "hand.json", "approval", content | values)

    with pytest.raises((CorruptFileError, NotApprovedError), match=told):
        check_approval(plan, path)


def test_expiry_in_utc(plan, tmp_path):
    "The error states the expiry in UTC, whatever the time zone in the file is."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    path = write_checksummed(tmp_path / "hand.json", "approval", content | {"until": "2026-11-01T01:30:00+09:00"})

    with pytest.raises(NotApprovedError, match="2026-10-31 16:30 UTC"):
        check_approval(plan, path)


def test_home_folder(plan, tmp_path, monkeypatch):
    "The folder of an approval whose path starts with '~' is searched for rejections."
    monkeypatch.setenv("HOME", str(tmp_path))
    approve_plan(plan, tmp_path / "ok.approval.json", by="Kari")
    approve_plan(plan, tmp_path / "no.approval.json", by="Ola", reject="Too early")

    with pytest.raises(NotApprovedError, match="Ola rejected"):
        check_approval(plan, "~/ok.approval.json")


@pytest.mark.parametrize("odd", [{"until": 5}, {"until": "soon"}, {"at": None}, {"planned_at": ""}, {"by": 5}])
def test_rejection_with_invalid_fields(plan, tmp_path, odd):
    "A rejection is valid although its other fields are not."
    approval = approve_plan(plan, tmp_path / "ok.approval.json", by="Kari")
    no = read_checksummed(approve_plan(plan, tmp_path / "no.approval.json", by="Ola", reject="Too early"), "approval")
    write_checksummed(tmp_path / "no.approval.json", "approval", no | odd)

    with pytest.raises(NotApprovedError, match=r"rejected plan .* Too early"):
        check_approval(plan, approval)


def test_missing_fields(plan, tmp_path):
    "The error lists the missing fields."
    path = write_checksummed(tmp_path / "hand.json", "approval", {"digest": plan.digest, "decision": "approved"})

    with pytest.raises(CorruptFileError, match="lacks at, by, planned_at, reason, until"):
        check_approval(plan, path)


def test_plan_as_approval(plan, tmp_path):
    "A plan file or a folder approves nothing."
    with pytest.raises(InputError, match="is a 'frgroups plan', not a approval"):
        check_approval(plan, plan.save(tmp_path / "p.json"))
    with pytest.raises(InputError, match="cannot be read"):
        check_approval(plan, tmp_path)


def test_no_customer_uids(plan, tmp_path):
    "An approval contains no customer uid, so it can be mailed."
    text = approve_plan(plan, tmp_path / "ok.json", by="Kari").read_text()

    assert set(json.loads(text)["content"]) == {"digest", "planned_at", "decision", "reason", "by", "at", "until"}
    assert not re.search(r"\bc-\d", text)


@pytest.mark.parametrize("words", [{"by": "Kari \udce5s"}, {"by": "Kari", "reject": "for\ud83d"}])
def test_lone_surrogate_argument(plan, tmp_path, words):
    "A name or reason that cannot be encoded raises InputError, and no file is written."
    with pytest.raises(InputError, match=r"half of one"):
        approve_plan(plan, tmp_path / "a.json", **words)

    assert list(tmp_path.iterdir()) == []


def test_lone_surrogate_in_file(plan, tmp_path):
    "The checksum detects a lone surrogate that was added to a file as a JSON escape."
    path = approve_plan(plan, tmp_path / "a.json", by="Kari")
    path.write_text(path.read_text().replace('"Kari"', '"Kari\\ud83d"'))

    with pytest.raises(CorruptFileError, match="altered"):
        check_approval(plan, path)
