"""Tests for `frgroups declare` and `frgroups plan --declared`."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import frgroups as fg
from frgroups.analysis import consent
from frgroups.cli.main import main
from tests.cli.commands import code_of, path_after
from tests.world import select_sandbox


@pytest.fixture
def stored(sandbox, home_folder, monkeypatch, tmp_path):
    """Select the sandbox, store a snapshot of it, and use an empty folder as the working directory."""
    select_sandbox(sandbox, monkeypatch)
    monkeypatch.chdir(tmp_path)
    with sandbox.client() as client:
        return fg.load_snapshot(client, progress=False)


def test_declare_and_plan(stored, capsys):
    "A file that `declare` writes plans nothing. The next command plans the file."
    assert main(["declare"]) == 0

    out = capsys.readouterr().out
    assert path_after("File", out) == Path("groups.toml").resolve()
    assert path_after("Lists", out) == Path("groups").resolve()
    assert "frgroups plan --declared groups.toml" in out
    assert main(["plan", "--declared", "groups.toml", "--exit-code", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["n_add"], document["n_remove"], document["mode"]) == (0, 0, "mirror")
    assert main(["declare"]) == 1


def test_declare_json(stored, capsys):
    "With --json, `declare` prints the paths and the number of groups."
    assert main(["declare", "--group", "VIP", "staff", "--out", "few.toml", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["n_groups"] == 2
    assert (document["path"], document["lists"]) == (str(Path("few.toml").resolve()), str(Path("few").resolve()))


def test_differences(stored, capsys, tmp_path):
    "With differences, the exit code is 2. The JSON contains one digest, the mode of each group, and the findings."
    Path("groups.toml").write_text(
        "[groups.vips]\nexpression = 'VIP'\nmode = 'mirror'\ncreate = 'Vips'\nvalid_to = 2020-01-01\n"
        "[groups.staff]\nexpression = 'vips'\nmode = 'add'\n"
    )
    words = ["plan", "--declared", "groups.toml", "--purpose", "Test", "--out", str(tmp_path / "plan.json")]

    assert main([*words, "--exit-code", "--json"]) == 2

    document = json.loads(capsys.readouterr().out)
    assert document["mode"] == {"staff": "add", "vips": "mirror"}
    assert [finding["customer_group_uid"] for finding in document["findings"] if finding["rule"] == "ended"] == [
        "vips"
    ]
    plan = fg.read_plan(tmp_path / "plan.json")
    assert (plan.digest, plan.purpose) == (document["digest"], "Test")
    assert Path(document["review"]).exists()
    for uid in ("vips", "staff"):
        [change] = [group for group in plan.groups if group.uid == uid]
        assert set(change.add) == set(stored["VIP"]) - set(change.baseline)


def test_limits(stored, capsys, tmp_path):
    "Limits of the command line apply to declared plans, and a blocked plan has exit code 3."
    Path("groups.toml").write_text("[groups.staff]\nexpression = 'VIP'\nmode = 'add'\n")
    words = ["plan", "--declared", "groups.toml", "--out", str(tmp_path / "plan.json")]

    assert main([*words, "--limit", "additions_total=0", "--exit-code"]) == 3
    assert "--limit additions_total=" in capsys.readouterr().out


def test_files_are_read_once(stored, tmp_path, monkeypatch):
    "The plan reads each file once, also a customer export for several lists. The consents are evaluated once."
    customers = stored.customers.dropna(subset="external_id")
    suppressed = fg.suppression_list_path(stored)
    lists = {"one.csv": "external_id", "two.csv": "external_id", "protected.csv": "customer_uid"}
    # The folder of the plan is also searched for rejections, so the lists are in another folder.
    for path in (suppressed, Path("in/suppressed.csv"), *(Path("in", name) for name in lists)):
        path.parent.mkdir(parents=True, exist_ok=True)
        customers[[lists.get(path.name, "customer_uid")]].tail(2).to_csv(path, index=False)
    customers[["customer_uid", "external_id"]].to_csv("in/export.csv", index=False)
    Path("in/groups.toml").write_text(
        "[groups.one]\nlist = 'one.csv'\nmode = 'mirror'\ncreate = 'One'\n"
        "[groups.two]\nlist = 'two.csv'\nmode = 'mirror'\ncreate = 'Two'\n"
        "[groups.mail]\nrule = 'reachable_email or reachable_mobile'\nmode = 'add'\ncreate = 'Mail'\n"
    )
    Path("in/register.csv").write_text("customer_group_uid,purpose\nmail,newsletter\none,newsletter\n")
    n_reads, n_consents = Counter(), Counter()
    read_bytes, find_latest = Path.read_bytes, consent._find_latest
    monkeypatch.setattr(Path, "read_bytes", lambda path: n_reads.update([path.name]) or read_bytes(path))
    monkeypatch.setattr(consent, "_find_latest", lambda found: n_consents.update([found]) or find_latest(found))
    files = ["--directory", "in/export.csv", "--suppression-list", "in/suppressed.csv"]
    files += ["--protect-list", "in/protected.csv", "--register", "in/register.csv"]

    assert main(["plan", "--declared", "in/groups.toml", *files, "--out", "plan.json"]) == 0

    names = [*lists, "export.csv", "suppressed.csv", "register.csv", "groups.toml"]
    assert n_reads[suppressed.name] == 2  # The review compares the plan with the suppression list again.
    assert {name: n_reads[name] for name in names} == dict.fromkeys(names, 1)
    assert list(n_consents.values()) == [1]


@pytest.mark.parametrize(
    "words",
    [
        ["--declared", "groups.toml", "--group", "vip"],
        ["--declared", "groups.toml", "--list", "vip.csv"],
        ["--declared", "groups.toml", "--members", "vip"],
        ["--declared", "groups.toml", "--mode", "add"],
        ["--declared", "groups.toml", "--create", "VIP"],
        ["--declared", "groups.toml", "--also-members", "vip"],
        ["--declared", "groups.toml", "--ids", "external_id"],
        ["--members", "vip"],
        ["--list", "vip.csv"],
        ["--group", "vip"],
        ["--group", "vip", "--members", "vip", "--consent", "email=Newsletter"],
        ["--group", "vip", "--members", "vip", "--attribute-file", "scores.csv"],
        ["--declared", "groups.toml", "--consent", "email"],
    ],
)
def test_usage_errors(words, home_folder, capsys):
    "Options for one group cannot be combined with --declared, and options for rules require it."
    assert code_of(["plan", *words]) == 64

    err = capsys.readouterr().err
    assert "--declared" in err or "--consent" in err


def test_attributes_and_consent(stored, capsys):
    "A rule can use the attributes in a file and the selected consents, as in `frgroups table segment`."
    uids = list(stored.customers["customer_uid"].head(20))
    scores = pd.DataFrame({"customer_uid": uids, "visit count": range(20)})
    scores.to_csv("scores.csv", index=False)
    text = "`visit count` >= 10 and reachable_mobile"
    Path("groups.toml").write_text(f'[groups.few]\nrule = "{text}"\nmode = "mirror"\ncreate = "Few"\n')
    options = ["--attribute-file", "scores.csv", "--consent", "mobile=Profilering"]

    assert main(["plan", "--declared", "groups.toml", *options, "--out", "plan.json"]) == 0
    assert main(["table", "segment", "--rule", f"few={text}", *options, "--csv", "few.csv"]) == 0

    expected = fg.segment(
        stored, {"few": text}, attributes=scores.set_index("customer_uid"), consent={"mobile": "Profilering"}
    )["few"]
    assert expected and list(fg.read_plan("plan.json").groups[0].add) == expected
    assert list(fg.read_list("few.csv", "customer_uid")) == expected
    assert code_of(["plan", "--declared", "groups.toml", *options, "--consent", "mobile=SMS"]) == 64


def test_unsubscribed_customers(stored):
    "A list from `frgroups table segment` can be passed to `frgroups plan`. A segment name is not a group name."
    rule = "consent_email == 'withdrawn'"
    assert main(["table", "segment", "--rule", f"unsubscribed={rule}", "--csv", "list.csv"]) == 0
    assert list(pd.read_csv("list.csv", dtype=str)) == ["segment", "customer_uid"]
    options = ["--limit", "removal_share=1", "--limit", "removal_share_total=1"]

    assert (
        main(["plan", "--group", "loyalty", "--mode", "remove", "--list", "list.csv", *options, "--out", "p.json"])
        == 0
    )

    expected = fg.segment(stored, {"x": f"in_group('loyalty') and {rule}"})["x"]
    assert expected and list(fg.read_plan("p.json").groups[0].remove) == expected


def test_invalid_file(stored, capsys):
    "An invalid file has exit code 1, and the error names the group and the key."
    Path("groups.toml").write_text("[groups.vip]\nexpression = 'VIP'\nmodes = 'mirror'\n")

    assert main(["plan", "--declared", "groups.toml"]) == 1

    err = capsys.readouterr().err
    assert "[groups.vip]" in err and "`modes`" in err


def test_apply(sandbox, stored, tmp_path):
    "After a declared plan is applied, the same file plans nothing."
    Path("groups.toml").write_text(
        "[groups.copy]\nexpression = 'staff | \"VIP\"'\nmode = 'mirror'\ncreate = 'Copy'\n"
        "[groups.staff]\nrule = \"in_group('copy')\"\nmode = 'add'\n"
    )
    declared = fg.read_declared_groups("groups.toml")
    # The expression of the first group refers to the second group, which refers to the first group.
    with pytest.raises(fg.errors.InputError, match="copy"):
        fg.plan_declared(stored, declared)
    Path("groups.toml").write_text(Path("groups.toml").read_text().replace("staff | ", ""))
    declared = fg.read_declared_groups("groups.toml")
    plan = fg.plan_declared(stored, declared)

    with sandbox.client(writable=True) as client:
        receipt = fg.apply_plan(client, plan, approval=plan.digest)
        after = fg.load_snapshot(client, progress=False)

    assert receipt.ok and plan.n_add
    assert fg.plan_declared(after, declared).is_empty
