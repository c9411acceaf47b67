"""Tests for approval files and rejections."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from frgroups.errors import CorruptFileError, InputError, NotApprovedError
from frgroups.internals.checksummed_json import canonical_json, read_checksummed, sha256, write_checksummed
from frgroups.plan.limits import Limits
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.review.approval import approve_plan, check_approval
from frgroups.review.approval_files import found_approvals
from frgroups.review.rejections import withdraw_rejection
from frgroups.snapshot.from_frames import sample_snapshot


@pytest.fixture
def plan():
    """Return a plan that adds one customer."""
    return plan_memberships(sample_snapshot(), {"vip": ["c-7"]}, limits=Limits(snapshot_max_age=None))


@pytest.fixture
def other(plan):
    """Return a plan that adds a different customer."""
    return plan_memberships(sample_snapshot(), {"vip": ["c-8"]}, limits=plan.limits)


@pytest.fixture
def reject_elsewhere(monkeypatch, tmp_path_factory):
    """Return a function that rejects a plan with another data folder, as a reviewer on another machine does."""

    def reject(plan, path, **arguments):
        with monkeypatch.context() as patch:
            patch.setenv("FRGROUPS_HOME", str(tmp_path_factory.mktemp("reviewer")))
            return approve_plan(plan, path, **arguments)

    return reject


def test_file(plan, tmp_path):
    "An approval file contains the reviewer and the time, and only the file's owner can read the file."
    path = approve_plan(plan, tmp_path / "ok.json", by=" Kari ")

    approval = check_approval(plan, path)

    assert (approval.how, approval.digest, approval.by) == ("self", plan.digest, "Kari")
    assert datetime.now(UTC) - approval.at < timedelta(minutes=1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert check_approval(plan, str(path)) == approval


@pytest.mark.parametrize("form", [str, str.upper, lambda digest: digest[:12], lambda digest: f" {digest[:40]}\n"])
def test_digest(plan, form):
    "A plan can be approved by at least the first 12 digits of its digest. Case and whitespace are ignored."
    approval = check_approval(plan, form(plan.digest))

    assert (approval.how, approval.digest, approval.by, approval.at) == ("self", plan.digest, "", None)
    assert approval.to_dict() == {"how": "self", "by": "", "at": ""}


def test_other_plan(plan, other, tmp_path):
    "The approval file or the digest of one plan does not approve another plan."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")

    with pytest.raises(NotApprovedError, match=f"{plan.digest[:12]}.*{other.digest[:12]}"):
        check_approval(other, path)
    with pytest.raises(NotApprovedError, match=f"{plan.digest[:12]}.*{other.digest[:12]}"):
        check_approval(other, plan.digest)
    with pytest.raises(NotApprovedError, match=plan.digest[:12]):
        check_approval(plan, plan.digest[:12] + "0" * 52)


def test_same_digest(plan, other, tmp_path):
    "A second plan file with the same digest requires a separate approval file."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")

    again = plan_memberships(sample_snapshot(), {"VIP": {"c-7"}}, limits=plan.limits)

    assert check_approval(plan, path).digest == again.digest
    with pytest.raises(NotApprovedError, match=f"{again.planned_at:%Y-%m-%d %H:%M}"):
        check_approval(again, path)


@pytest.mark.parametrize("delay", [timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1)])
def test_times_of_same_digest(plan, tmp_path, delay):
    "The error about a second file of a plan shows two different planning times, even if the delay is short."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")

    with pytest.raises(NotApprovedError) as raised:
        check_approval(replace(plan, planned_at=plan.planned_at + delay), path)

    assert len(set(re.findall(r"\d{4}-\d\d-\d\d [\d:.]+ UTC", str(raised.value)))) == 2


@pytest.mark.parametrize("approve", ["", "  ", None, True, 7, "ja", "0" * 65, "none.json", "a" * 999 + "/b", b"abc"])
def test_invalid_argument(plan, approve):
    "A value that is not a digest, an existing file, or a policy raises NotApprovedError."
    with pytest.raises(NotApprovedError) as raised:
        check_approval(plan, approve)

    assert str(approve)[:100] in str(raised.value)


def test_short_digest(plan):
    "A digest that is shortened to 11 digits raises NotApprovedError, even if the digits are correct."
    with pytest.raises(NotApprovedError, match=f"{plan.digest[:11]}.* 12 "):
        check_approval(plan, plan.digest[:11])


def test_rejection(plan, tmp_path):
    "Applying a rejected plan raises NotApprovedError with the reviewer's name and the reason."
    with_reason = approve_plan(plan, tmp_path / "no.json", by="Kari", reject="wrong week")
    without_reason = approve_plan(plan, tmp_path / "empty.json", by="Ola", reject="")

    with pytest.raises(NotApprovedError, match=r"Kari .*wrong week"):
        check_approval(plan, with_reason)
    with pytest.raises(NotApprovedError, match="Ola "):
        check_approval(plan, without_reason)


@pytest.mark.parametrize("name", ["no.json", "abc.rejected.approval (1).json", "nei takk", "x.approval.json"])
def test_renamed_rejection(plan, tmp_path, reject_elsewhere, name):
    "A rejection file from the review page is found next to the plan or approval file, even if it was renamed."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    yes = approve_plan(plan, tmp_path / "yes.json", by="Kari")
    content = read_checksummed(reject_elsewhere(plan, tmp_path / "made.json", by="Ola", reject="not now"), "approval")
    (tmp_path / "made.json").unlink()
    write_checksummed(tmp_path / name, "approval", content | {"from": "page"})

    for approve in (yes, plan.digest):
        with pytest.raises(NotApprovedError, match=r"Ola .*not now"):
            check_approval(saved, approve)


@pytest.mark.parametrize("spoil", [lambda text: text[:60], lambda text: text.replace("not now", "never")])
def test_corrupt_rejection(plan, other, tmp_path, reject_elsewhere, spoil):
    "A corrupt rejection blocks its plan. A corrupt rejection of another plan is ignored."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    no = reject_elsewhere(plan, tmp_path / "no.rejected.approval.json", by="Ola", reject="not now")
    no.write_text(spoil(no.read_text()))

    with pytest.raises(NotApprovedError, match=f"{re.escape(no.name)}.*{plan.digest[:12]}"):
        check_approval(saved, plan.digest)

    other_rejection = reject_elsewhere(other, tmp_path / "other.approval.json", by="Ola", reject="not now")
    no.write_text(other_rejection.read_text().replace("not now", "never"))
    other_rejection.unlink()
    assert check_approval(saved, plan.digest).how == "digest"


def test_unrelated_file(plan, tmp_path):
    "A JSON file from another program is not a rejection, even if the file has the same keys."
    saved = read_plan(plan.save(tmp_path / "p.json"))
    (tmp_path / "survey.json").write_text('{"decision": "rejected", "digest": "none"}')

    assert check_approval(saved, plan.digest).how == "digest"


def test_long_reason(plan, tmp_path):
    "A rejection reason with more than 10,000 characters raises InputError."
    with pytest.raises(InputError, match=r"`reject`.*10,000.*20,000"):
        approve_plan(plan, tmp_path / "no.json", by="Kari", reject="x" * 20_000)


def test_expiry(plan, tmp_path):
    "An approval expires after 72 hours, or after the given duration."
    path = approve_plan(plan, tmp_path / "ok.json", by="Kari")
    old = approve_plan(plan, tmp_path / "old.json", by="Kari", valid_for=timedelta.resolution)
    content = read_checksummed(path, "approval")

    assert datetime.fromisoformat(content["until"]) - datetime.fromisoformat(content["at"]) == timedelta(hours=72)
    expired_at = datetime.fromisoformat(read_checksummed(old, "approval")["until"])
    with pytest.raises(NotApprovedError, match=f"Kari.*{expired_at:%Y-%m-%d %H:%M} UTC"):
        check_approval(plan, old)


def test_blocked_plan(tmp_path):
    "A blocked plan can be rejected. Approving a blocked plan raises NotApprovedError with the blocking finding."
    blocked = plan_memberships(sample_snapshot(), {"vip": []}, mode="mirror")

    with pytest.raises(NotApprovedError) as raised:
        approve_plan(blocked, tmp_path / "ok.json", by="Kari")
    assert all(finding.message in str(raised.value) for finding in blocked.findings if finding.blocking)
    assert not (tmp_path / "ok.json").exists()
    assert approve_plan(blocked, tmp_path / "no.json", by="Kari", reject="too many").exists()


BLANK_NAMES = [
    "",
    "  ",
    "\u200b",
    "\u3164",
    "\u2800",
    "\ufeff",
    "\u115f \u00ad",
    "\ufe0f",
    "\U000e0020",
    "-",
    "\u0301",
]
UNSAFE_NAMES = [
    "K\nPer",
    "K\x1b\u202e",
    "K\x00",
    "K\u2028Per",
    "Ka\u200bri",
    "Ka\u00adri",
    "K\tPer",
    "\u2066Kari",
    "K\x85P",
]


@pytest.mark.parametrize("by", BLANK_NAMES + UNSAFE_NAMES)
def test_invalid_name(plan, tmp_path, by):
    "A name without visible letters or with invisible characters cannot be used, and is invalid in a file."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    forged = write_checksummed(tmp_path / "forged.json", "approval", content | {"by": by})

    with pytest.raises(InputError, match="`by`"):
        approve_plan(plan, tmp_path / "new.json", by=by)
    with pytest.raises(InputError, match="`by`"):
        withdraw_rejection(plan, by=by)
    with pytest.raises(CorruptFileError, match="'by'"):
        check_approval(plan, forged)
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize(
    "by", ["Åse Øgård", "O'Neil-Ek", "张伟", "مهدی\u200cزاده", "  Kari  ", "Kari (CRM)", "7", "A\u00a0B"]
)
def test_valid_name(plan, tmp_path, by):
    "A name can contain letters of any script, punctuation, and joiners that are part of the visible text."
    assert check_approval(plan, approve_plan(plan, tmp_path / "ok.json", by=by)).by == by.strip()


@pytest.mark.parametrize("reason", ["", "  ", "\u200b", "\n"])
def test_blank_reason(plan, tmp_path, reason):
    "A blank reason is stored as an empty string, and the error does not show it as a reason."
    content = read_checksummed(approve_plan(plan, tmp_path / "no.json", by="Kari", reject=reason), "approval")

    assert (content["decision"], content["reason"]) == ("rejected", "")
    write_checksummed(tmp_path / "no.json", "approval", content | {"reason": reason})
    with pytest.raises(NotApprovedError, match="without a reason"):
        check_approval(plan, tmp_path / "no.json")


@pytest.mark.parametrize("days", [32, "33d", timedelta(days=31, seconds=1), "0h", "0.0d", timedelta(0)])
def test_max_valid_for(plan, tmp_path, days):
    "An approval cannot be valid for more than 31 days, and its duration must not be 0."
    longest = approve_plan(plan, tmp_path / "ok.json", by="Kari", valid_for="31d")

    assert check_approval(plan, longest).by == "Kari"
    with pytest.raises(InputError, match="valid"):
        approve_plan(plan, tmp_path / "long.json", by="Kari", valid_for=days)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"until": "2999-01-01T00:00:00+00:00"}, "31 days"),
        ({"until": "9999-12-31T23:59:59+00:00"}, "31 days"),
        ({"at": "2026-01-01T00:00:00+00:00", "until": "2026-01-02T00:00:00+00:00"}, "before"),
        ({"at": "0002-01-01T00:00:00+00:00"}, "before"),
        ({"changes": "0" * 64}, "changes"),
        ({"changes": ""}, "changes"),
        ({"changes": None}, "changes"),
        ({"changes": 7}, "changes"),
    ],
)
def test_impossible_values(plan, tmp_path, values, part):
    "A forged approval with impossible times or with other changes raises NotApprovedError and is not listed."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    folder = tmp_path / "forged"
    path = write_checksummed(folder / "a.approval.json", "approval", content | values)

    with pytest.raises(NotApprovedError, match=part):
        check_approval(plan, path)
    assert found_approvals(plan, [folder]) == []


def test_approval_clock_tolerance(plan, tmp_path):
    "An approval is valid if it was created less than 10 minutes before the plan. The field `changes` is optional."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    del content["changes"]
    early = (plan.planned_at - timedelta(minutes=9)).isoformat()

    assert (
        check_approval(plan, write_checksummed(tmp_path / "b.json", "approval", content | {"at": early})).by == "Kari"
    )


def test_similar_digests(plan, tmp_path):
    "The error about another plan contains enough digits to distinguish the two digests."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    other = plan.digest[:20] + ("0" if plan.digest[20] != "0" else "1") + plan.digest[21:]

    with pytest.raises(NotApprovedError, match=f"{other[:21]}, .*{plan.digest[:21]}"):
        check_approval(plan, write_checksummed(tmp_path / "b.json", "approval", content | {"digest": other}))


@pytest.mark.parametrize("content", [[], None, 7, "text"])
def test_content_without_object(tmp_path, content):
    "The error for a file whose content is not a JSON object does not mention a checksum."
    path = tmp_path / "ok.json"
    text = {"checksum": sha256(canonical_json(content)), "content": content, "format_version": 2}
    path.write_text(json.dumps(text | {"kind": "frgroups approval"}))

    with pytest.raises(CorruptFileError) as raised:
        read_checksummed(path, "approval")
    assert "object" in str(raised.value) and "checksum must" not in str(raised.value)


def test_altered_decision(plan, tmp_path, reject_elsewhere):
    "A rejection file that was edited to become an approval raises CorruptFileError."
    path = reject_elsewhere(plan, tmp_path / "no.json", by="Kari", reject="no")
    path.write_text(path.read_text().replace('"rejected"', '"approved"'))

    with pytest.raises(CorruptFileError, match=r"no\.json"):
        check_approval(plan, path)


@pytest.mark.parametrize(
    ("values", "part", "error"),
    [
        ({"until": "soon"}, "'soon'", CorruptFileError),
        ({"until": None}, "until", CorruptFileError),
        ({"at": "0001-01-01T00:00:00+23:59"}, "0001-01-01", CorruptFileError),
        ({"digest": 5, "by": None}, "by and digest", CorruptFileError),
        ({"by": None}, "the field by must be a string", CorruptFileError),
        ({"by": " "}, "'by'", CorruptFileError),
        ({"until": "2999-01-01T00:00:00"}, "2999-01-01", CorruptFileError),
        ({"decision": "yes"}, "Kari", NotApprovedError),
    ],
)
def test_invalid_fields(plan, tmp_path, values, part, error):
    "An approval file with invalid fields raises CorruptFileError. Any decision except 'approved' is a rejection."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    path = write_checksummed(tmp_path / "hand.json", "approval", content | values)

    with pytest.raises(error, match=part):
        check_approval(plan, path)


def test_expiry_in_utc(plan, tmp_path):
    "If an approval file states the expiry in another time zone, the error contains the expiry in UTC."
    content = read_checksummed(approve_plan(plan, tmp_path / "ok.json", by="Kari"), "approval")
    path = write_checksummed(tmp_path / "hand.json", "approval", content | {"until": "2026-11-01T01:30:00+09:00"})

    with pytest.raises(NotApprovedError, match="2026-10-31 16:30 UTC"):
        check_approval(plan, path)


def test_home_folder(plan, tmp_path, monkeypatch):
    "If the path of the approval starts with '~', its folder is searched for rejections."
    monkeypatch.setenv("HOME", str(tmp_path))
    approve_plan(plan, tmp_path / "ok.approval.json", by="Kari")
    approve_plan(plan, tmp_path / "no.approval.json", by="Ola", reject="Too early")

    with pytest.raises(NotApprovedError, match=r"Ola .*Too early"):
        check_approval(plan, "~/ok.approval.json")


@pytest.mark.parametrize("odd", [{"until": 5}, {"until": "soon"}, {"at": None}, {"planned_at": ""}, {"by": 5}])
def test_rejection_with_invalid_fields(plan, tmp_path, odd):
    "A rejection is valid even if other fields of the rejection file are invalid."
    approval = approve_plan(plan, tmp_path / "ok.approval.json", by="Kari")
    no = read_checksummed(approve_plan(plan, tmp_path / "no.approval.json", by="Ola", reject="Too early"), "approval")
    write_checksummed(tmp_path / "no.approval.json", "approval", no | odd)

    with pytest.raises(NotApprovedError, match=r"Too early"):
        check_approval(plan, approval)


def test_missing_fields(plan, tmp_path):
    "An approval file without the required fields raises CorruptFileError with their names."
    path = write_checksummed(tmp_path / "hand.json", "approval", {"digest": plan.digest, "decision": "approved"})

    with pytest.raises(CorruptFileError, match="at, by, planned_at, reason, and until"):
        check_approval(plan, path)


def test_plan_as_approval(plan, tmp_path):
    "Passing a plan file or a folder as the approval raises InputError."
    with pytest.raises(InputError, match=r"p\.json"):
        check_approval(plan, plan.save(tmp_path / "p.json"))
    with pytest.raises(InputError, match=tmp_path.name):
        check_approval(plan, tmp_path)


def test_no_customer_uids(plan, tmp_path):
    "An approval file contains no customer uid."
    text = approve_plan(plan, tmp_path / "ok.json", by="Kari").read_text()

    fields = {"digest", "changes", "planned_at", "decision", "reason", "by", "at", "until"}
    assert set(json.loads(text)["content"]) == fields
    assert not re.search(r"\bc-\d", text)


@pytest.mark.parametrize("arguments", [{"by": "Kari \udce5s"}, {"by": "Kari", "reject": "for\ud83d"}])
def test_lone_surrogate_argument(plan, tmp_path, arguments):
    "A name or reason with a lone surrogate raises InputError, and no file is written."
    name = list(arguments)[-1]
    with pytest.raises(InputError, match=f"`{name}`"):
        approve_plan(plan, tmp_path / "a.json", **arguments)

    assert list(tmp_path.iterdir()) == []


def test_lone_surrogate_in_file(plan, tmp_path):
    "An approval file to which a lone surrogate was added raises CorruptFileError."
    path = approve_plan(plan, tmp_path / "a.json", by="Kari")
    path.write_text(path.read_text().replace('"Kari"', '"Kari\\ud83d"'))

    with pytest.raises(CorruptFileError, match=r"a\.json"):
        check_approval(plan, path)
