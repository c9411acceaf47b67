"""Customers are personal data: what is kept of them, and where their names, or a token, may never appear."""

import json
import logging
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.cli.main import main
from frgroups.errors import ApiError, ConnectionFailedError, FrgroupsError, TokenCommandError, UnexpectedResponseError
from frgroups.internals.locks import tenant_lock
from frgroups.internals.redaction import mask_contacts, mask_explicit_contacts
from frgroups.load.status_page import status_html
from frgroups.review.markdown import review_markdown
from frgroups.review.spreadsheet import review_csv
from frgroups.sandbox.faults import Fault

REPOSITORY = Path(__file__).parents[1]
TOKEN = "planted-token-0123456789abcdef"
# Told of one customer, in every field that holds personal data; none of it may be kept by default.
PLANTED = {
    "firstname": "Planted-Firstname",
    "lastname": "Planted-Lastname",
    "companyName": "Planted-Company",
    "displayName": "Planted-Displayname",
    "email": "planted-email@mail.example",
    "mobile": "+47 planted-mobile",
    "address": "Planted-Street 7",
    "vatNumber": "Planted-VAT",
    "loyaltyId": "Planted-Loyalty",
    "internalNote": "Planted-Note: pays late",
    "ledgerNumber": "Planted-Ledger",
    "accountManager": {"tenantUserUid": "u-1", "displayName": "Planted-Manager", "userCode": "Planted-Code"},
    "ehf": {"enabled": True, "address": "Planted-Ehf"},
    "addresses": [{"address": "Planted-Second-Street 8"}],
    "contacts": [{"name": "Planted-Contact", "email": "planted-contact-email@mail.example"}],
    "extensions": [{"key": "shoe", "value": "Planted-Extension"}],
}
# Said of the customer and not about the person: kept.
KEPT = {"postalCode": "0150", "city": "Oslo", "countryCode": "NO"}
# No documented customer: a field that nobody knows, half an emoji, and people where something else is kept.
ODD = {
    "birthday": "Planted-Birthday",
    "nickname": {"name": "Planted-Nickname"},
    "firstname": msgspec.Raw(rb'"Planted-Half-Emoji \ud83d"'),
    "externalId": 17,
    "city": ["Planted-In-City"],
    "postalCode": {"street": "Planted-In-Postal-Code"},
    "paymentTerms": "Planted-In-Payment-Terms",
    "credit": "Planted-In-Credit",
    "defaultStore": ["Planted-In-Store"],
    "consents": [{"name": {"given": "Planted-In-Consent"}}, "Planted-Consent"],
    "createdAt": "Planted-Created-At",
}


@pytest.fixture(scope="module")
def running():
    with fg.Sandbox(empty=True, max_page_size=2, default_page_size=2, token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    """A tenant where much is known of one of five customers."""
    running.reset()
    odd = {"customerUid": "c5", **PLANTED, **ODD}
    running.put_customers([{"customerUid": "c1", **PLANTED, **KEPT}, "c2", "c3", "c4", odd])
    running.put_group("all", "All")
    running.put_group("vip", "VIP")
    running.add_members("all", ["c1", "c2", "c3", "c4", "c5"])
    running.add_members("vip", ["c1", "c2"])
    return running


def planted(text):
    """The planted words that stand in the text."""
    return sorted(set(re.findall(r"planted[-\w@.]*", text, re.IGNORECASE)))


def everything_in(folder, name="*"):
    """What the files of a folder hold: as bytes, and as the cells and schemas of the parquet files."""
    texts = []
    for path in sorted(folder.rglob(name)):
        texts.append(path.name)
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet" and path.read_bytes().endswith(b"PAR1"):  # Not one that a test has damaged.
            table = pq.read_table(path, partitioning=None)
            texts += [str(table.to_pylist()), str(table.schema), str(table.schema.metadata)]
    return "\n".join(texts)


def test_nothing_personal_is_kept_by_default(sandbox, tmp_path):
    "Neither the snapshot's tables nor any byte of its files hold a name, contact, address, note or personal number."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, tmp_path)

    tables = [snapshot.groups, snapshot.customers, snapshot.consents, snapshot.memberships, snapshot.reads]
    disk = everything_in(tmp_path)
    assert not any(planted(table.to_csv()) for table in tables)
    assert not planted(disk)
    assert "Oslo" in disk and "c1" in disk
    assert not {"firstname", "email", "mobile", "internal_note"} & set(snapshot.customers)


def test_whether_there_is_an_address_is_kept(sandbox):
    "Reach can be told without contact data: has_email and its like are columns of every snapshot."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False)

    customers = snapshot.customers.set_index("customer_uid")
    columns = ["has_email", "has_mobile", "has_loyalty_id", "has_vat_number"]
    assert customers.loc["c1", columns].all()
    assert not customers.loc["c2", columns].any()
    assert list(customers.loc["c1", ["postal_code", "city", "country_code"]]) == ["0150", "Oslo", "NO"]


def test_asked_for_everything_is_kept(sandbox, tmp_path):
    "personal=True keeps names, contact data, addresses and notes, in memory and on disk alike."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, tmp_path, personal=True)

    again = fg.read_snapshot(tmp_path)
    pd.testing.assert_frame_equal(again.customers, snapshot.customers)
    kept = again.customers.set_index("customer_uid").loc["c1"]
    assert kept["email"] == PLANTED["email"]
    assert kept["internal_note"] == PLANTED["internalNote"]
    assert kept["account_manager_name"] == "Planted-Manager"
    assert "Planted-Second-Street 8" in kept["addresses"]
    assert "Planted-Contact" in kept["contacts"]


def test_a_load_that_wants_more_than_was_kept_reads_again(sandbox, tmp_path):
    "A young snapshot without personal data does not answer personal=True, the other way round it does."
    with sandbox.client() as client:
        fg.load_snapshot(client, tmp_path)
        personal = fg.load_snapshot(client, tmp_path, max_age="1h", personal=True)
        sandbox.clear_requests()
        plain = fg.load_snapshot(client, tmp_path, max_age="1h")

    assert "email" in personal.customers
    assert plain.taken_at == personal.taken_at
    assert sandbox.requests() == []


def test_nothing_personal_is_shown(sandbox):
    "Reprs and cards of snapshot, client, customer and group show uids and counts, never a person."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False, personal=True)
        customers = list(client.iter_group_customers("vip"))

        shown = [
            *(repr(thing) for thing in (snapshot, client, customers, client.check(), client.get_group("vip"))),
            *(thing._repr_html_() for thing in (snapshot, client, client.check())),
            str(customers[0]),
            f"{customers[0]}",
        ]

    assert customers[0].email == PLANTED["email"]
    assert repr(customers[0]) == "<Customer c1>"
    assert not any(planted(text) for text in shown)


def all_of(error):
    """What an error tells: its traceback, and the facts of it and of each that led to it."""
    told = ["".join(traceback.format_exception(error))]
    chain, one = [], error
    while one is not None:
        chain.append(one)
        one = one.__cause__ or one.__context__
    hidden = ("args", "doc", "object", "line", "partial", "output", "stderr", "cmd")
    told += [repr(vars(one)) + "".join(repr(getattr(one, name, "")) for name in hidden) for one in chain]
    return "\n".join(told)


def all_in(records):
    """What log records tell: the fields of each, and the traceback that came with it."""
    causes = [record.exc_info[1] for record in records if record.exc_info]
    return "\n".join([*(repr(vars(record)) for record in records), *map(all_of, causes)])


@pytest.fixture
def logged(caplog):
    """Everything that is logged, by us or by what we stand on."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(kind, path="/customers", skip=1, times=None) for kind in ("cut_during", "cut_after", "garbage")),
        *(Fault("status", path="/customers", skip=1, times=None, status=n) for n in (401, 403, 429, 500)),
        Fault("html", path="/customers", skip=1, times=None),
        Fault("redirect", path="/customers", skip=1, times=None),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
@pytest.mark.parametrize("personal", [True, False])
def test_nothing_personal_is_in_errors_and_logs(fault, personal, sandbox, logged):
    "A load that fails half way tells operation and status in error, causes and DEBUG log, and no customer or token."
    sandbox.misbehave(fault)
    with sandbox.client(retry=RetryPolicy(max_attempts=2, base=0.001)) as client, pytest.raises(ApiError) as caught:
        fg.load_snapshot(client, False, personal=personal)

    assert planted(all_of(caught.value)) == []
    assert planted(all_in(logged.records)) == []
    assert len(logged.records) > 3


PERSON = b'{"firstname":"Planted-Firstname","token":"planted-token"}'
SENTENCE = b"Content-Length: %d\r\n\r\n%b"
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def answering(answer):
    """A service that answers everything with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v2"
        server.shutdown(socket.SHUT_RDWR)


def with_body(body, head=OK):
    return head + SENTENCE % (len(body), body)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(with_body(b'{"items": [%b' % PERSON), UnexpectedResponseError, id="half a page"),
        pytest.param(with_body(b'{"items": [%b, "\xff"]}' % PERSON), UnexpectedResponseError, id="not UTF-8"),
        pytest.param(
            with_body(b'{"items": [], "paging": %b}' % PERSON), UnexpectedResponseError, id="a person as paging"
        ),
        pytest.param(with_body(b"[%b]" % PERSON), UnexpectedResponseError, id="a list"),
        pytest.param(with_body(PERSON, OK + b"Content-Encoding: gzip\r\n"), ConnectionFailedError, id="not gzip"),
        pytest.param(with_body(PERSON, b"HTTP/1.1 400 Bad\r\n"), ApiError, id="a person as an error"),
        pytest.param(with_body(PERSON, b"HTTP/1.1 500 Bad\r\n"), ApiError, id="a person as a failure"),
        pytest.param(PERSON + b"\r\n", ConnectionFailedError, id="a person as the status line"),
        pytest.param(b"HTTP/1.1 %b\r\n\r\n" % PERSON, ConnectionFailedError, id="a person as the status"),
        pytest.param(OK + b"Content-Length: 999\r\n\r\n" + PERSON, ConnectionFailedError, id="cut"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n%b\r\n" % PERSON, ConnectionFailedError, id="a person as a chunk"
        ),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n99\r\n" + PERSON, ConnectionFailedError, id="cut in a chunk"
        ),
    ],
)
def test_a_broken_answer_is_not_repeated(answer, expected, logged):
    "However an answer is broken, no error that comes of it, nor any that led to it, holds a word of it."
    with (
        answering(answer) as base_url,
        fg.Client("t-1", TOKEN, base_url=base_url, retry=RetryPolicy(max_attempts=1)) as client,
    ):
        with pytest.raises(expected) as of_list:
            fg.load_snapshot(client, False, personal=True)
        with pytest.raises(FrgroupsError) as of_one:
            client.get_group("vip")

    assert planted(all_of(of_list.value)) == []
    assert planted(all_of(of_one.value)) == []
    assert planted(all_in(logged.records)) == []


def test_a_command_that_tells_a_token_by_mistake(sandbox, home_folder, logged, capfd, monkeypatch):
    "One that fails after printing the token, on either side, leaves it in no error, log or line."
    code = "import os, sys; print(os.environ['SECRET']); print(os.environ['SECRET'], file=sys.stderr); sys.exit(3)"
    monkeypatch.setenv("SECRET", TOKEN)
    write_tenants(home_folder, "no", sandbox, [sys.executable, "-c", code])
    with fg.Client.from_config("no") as client, pytest.raises(TokenCommandError) as caught:
        client.check()
    codes = [main(["load", *more, "--log", "json", "-vv"]) for more in (["--tenant", "no"], ["--all", "--json"])]

    assert codes == [1, 1]
    assert planted(all_of(caught.value)) == []
    assert planted(all_in(logged.records)) == []
    assert planted("".join(capfd.readouterr())) == []


def test_progress_tells_no_customer(sandbox, capfd):
    "What the progress callable hears is a text of ours and numbers; the bar shows no more."
    news = []
    with sandbox.client() as client:
        fg.load_snapshot(client, False, personal=True, progress=lambda *told: news.append(told))
        fg.load_snapshot(client, False, personal=True, progress=True)

    shown = "".join(capfd.readouterr())
    assert {text for text, _, _ in news} == {"Loading"}
    assert "requests" in shown and planted(shown) == []


# All that there is to do, with all that there is to see of it.


def write_tenants(home, name, sandbox, command):
    """A tenants.toml that names one tenant."""
    facts = {"tenant_uid": sandbox.tenant_uid, "host": sandbox.base_url, "token_command": command}
    path = home / "tenants.toml"
    path.write_text(f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items()))
    path.chmod(0o600)


def looked_at(*things):
    """What a notebook shows of these, and print."""
    shown = [text for thing in things for text in (repr(thing), str(thing))]
    return shown + [thing._repr_html_() for thing in things if hasattr(thing, "_repr_html_")]


def done_in_python(sandbox, home, *, personal):
    """Load, look, plan, review, approve, apply, undo, damage and forget; what was shown meanwhile."""
    shown = []
    with sandbox.client(writable=True) as client:
        for cover in (True, False):
            snapshot = fg.load_snapshot(client, cover=cover, personal=personal, progress=True)
        snapshot = fg.refresh_groups(client, snapshot, ["VIP"], progress=True)
        fg.save_snapshot(snapshot)
        again = fg.read_snapshot(at="2999-01-01")
        page = client.read_customer_page("vip", page_number=1, page_size=2)
        shown += looked_at(snapshot, again, client, client.check(), page, *page.items, client.get_group("vip"))
        shown += looked_at(list(client.iter_groups()), list(client.iter_group_customers("all")), vars(client))
        shown += looked_at(snapshot.groups, snapshot.reads, snapshot.memberships, snapshot.consents, snapshot.matrix)
        shown += looked_at(snapshot.describe(), fg.group_sizes(snapshot), fg.overlap_pairs(snapshot, universe=9))

        plan = fg.plan_memberships(snapshot, {"vip": ["c1", "c3", "c5"]}, mode="mirror", limits=OPEN)
        path = plan.save(home / "plans" / "vip.plan.json")
        review = fg.save_review(plan, home / "plans" / "vip.html")
        approval = fg.approve_plan(plan, by="Kari", path=home / "plans" / "vip.approval.json")
        receipt = fg.apply_plan(client, plan, approval=approval)
        undo = fg.plan_undo(receipt, limits=OPEN)
        shown += looked_at(plan, plan.table(), plan.summary(), plan.payloads(), plan.findings, review, path)
        shown += looked_at(review_markdown(plan), review_csv(plan), receipt, receipt.summary(), receipt.table(), undo)
        sandbox.misbehave(Fault("status_after", method="PUT", status=500, times=None))
        shown += looked_at(fg.apply_plan(client, undo, approval=undo.digest).summary())
        sandbox.behave()
        later = fg.load_snapshot(client, personal=personal)
        shown += looked_at(fg.group_changes(snapshot, later), fg.membership_changes(snapshot, later))
        shown += looked_at(fg.group_flow(snapshot, later), fg.size_history(), fg.customer_history("c1"))

    newest = Path(fg.list_snapshots()["path"].iloc[-1])
    (newest / "consents.parquet").write_bytes(b"damaged")
    shown += looked_at(fg.read_snapshot(allow_older=True), fg.cache_info(), fg.list_snapshots(), fg.prune())
    shown += looked_at(fg.tenant_status(), status_html(fg.tenant_status()), fg.erase_customer("c1", dry_run=True))
    held = fg.export_customer("c1")
    return shown if personal else [*shown, json.dumps(held)]


def failed(sandbox, *, personal):
    """What errors tell, of the ways in which a load or an apply may end."""
    told, snapshot = [], fg.read_snapshot()
    for fault in (
        Fault("status", status=401, path="/customers", skip=2, times=None),
        Fault("status", status=500, path="/customers", skip=2, times=None),
        Fault("html", path="/customers", skip=2, times=None),
        Fault("garbage", path="/customers", skip=2, times=None),
        Fault("cut_during", path="/customers", skip=2, times=None),
    ):
        sandbox.misbehave(fault)
        with sandbox.client(retry=RetryPolicy(max_attempts=2, base=0.001)) as client:
            with pytest.raises(ApiError) as of_load:
                fg.load_snapshot(client, personal=personal)
            with pytest.raises(ApiError) as of_refresh:
                fg.refresh_groups(client, snapshot, ["all"])
            told += [all_of(of_load.value), all_of(of_refresh.value)]
    sandbox.behave()
    return told


def done_in_a_terminal(sandbox, home, monkeypatch, *, personal):
    """The same by commands, with all that can be logged; returns what another process printed."""
    monkeypatch.setenv("TOKEN_OF_NO", TOKEN)
    write_tenants(home, "no", sandbox, [sys.executable, "-c", "import os; print(os.environ['TOKEN_OF_NO'])"])
    loud, more = ["--log", "json", "-vv"], ["--personal"] * personal
    assert main([*loud, "load", "--tenant", "no", *more]) == 0
    assert main([*loud, "load", "--all", "--json", *more]) == 0
    for words in (
        ["doctor", "--tenant", "no"],
        ["status", "--all", "--html", str(home / "status.html")],
        ["status", "--json"],
        ["sizes", "--csv", str(home / "sizes.csv")],
        ["overlap"],
        ["changes", "--customers"],
        ["who", "c1"],
        ["who", "c1", "--json"],
    ):
        assert main([*loud, *words]) in (0, 9)
    cannot = (fg.erase_customer("c1", dry_run=True)["action"] == "failed").any()
    assert main([*loud, "erase-customer", "c1"]) == (5 if cannot else 0)
    plan = home / "plans" / "cli.plan.json"
    assert main([*loud, "plan", "--group", "vip", "--members", "all", "--out", str(plan)]) == 0
    assert main([*loud, "show", str(plan), "--table"]) == 0
    assert main([*loud, "approve", str(plan), "--by", "Kari"]) == 0
    assert main([*loud, "apply", str(plan), "--approve", fg.read_plan(plan).digest, "--tenant", "no"]) == 0
    if not personal:
        assert main([*loud, "export-customer", "c1", "--out", str(home / "c1.json")]) == 0
    command = [sys.executable, "-m", "frgroups.cli.main", *loud, "load", "--tenant", "no", *more]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"event"' in ended.stderr
    return ended.stdout + ended.stderr


OPEN = fg.Limits(removals_per_group=None, removal_share=None, removals_total=None, emptied_groups=None)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder of temporary files of this test's own."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.mark.parametrize("personal", [False, True])
def test_the_whole_way_leaves_no_trace_of_a_person(
    personal, sandbox, home_folder, temporary, logged, capfd, monkeypatch
):
    "Whatever is done or fails, no name, contact or token is shown, logged or kept; asked for, in one file alone."
    shown = done_in_python(sandbox, home_folder, personal=personal)
    shown += failed(sandbox, personal=personal)
    shown.append(done_in_a_terminal(sandbox, home_folder, monkeypatch, personal=personal))

    paths = [path for path in home_folder.rglob("*") if path.is_file()]
    holding = {str(path) for path in paths if planted(everything_in(path.parent, path.name))}
    assert planted("\n".join(shown)) == []
    assert planted(all_in(logged.records)) == []
    assert planted("".join(capfd.readouterr())) == []
    assert planted(everything_in(temporary)) == []
    assert len(paths) > 30
    if not personal:
        assert holding == set()
    else:
        assert holding and {Path(path).name for path in holding} == {"customers.parquet"}
        assert TOKEN not in everything_in(home_folder)


def test_what_is_asked_for_is_kept_whole(sandbox, tmp_path):
    "With personal=True each planted word of a documented field is in customers.parquet: the search can find."
    with sandbox.client() as client:
        fg.load_snapshot(client, tmp_path, personal=True)

    found = {word.lower() for word in planted(everything_in(tmp_path, "customers.parquet"))}
    assert {word.lower() for word in planted(json.dumps(PLANTED))} <= found


def test_no_person_is_in_what_is_committed():
    "No committed file but tests names somebody's e-mail; no notebook any e-mail, phone number, or made-up customer."
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no checkout")
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith("tests/")]
    texts = {
        name: (REPOSITORY / name).read_bytes().decode("latin-1") for name in names if (REPOSITORY / name).exists()
    }
    notebooks = {name: (REPOSITORY / name).read_text("utf-8") for name in texts if name.endswith(".ipynb")}
    with fg.Sandbox(customers=2000, groups=8) as sandbox, sandbox.client() as client:
        people = [one for group in sandbox.groups() for one in client.iter_group_customers(group)]
    full_names = {one.display_name for one in people if " " in (one.display_name or "")}

    told = {
        name: [
            *re.findall(r"[\w.+-]+@[\w.-]+\.[A-Za-z]{2,}|\+\d[\d ]{7,}\d", text),
            *(full for full in full_names if full in text),
        ]
        for name, text in notebooks.items()
    }
    addresses = {
        (name, address)
        for name, text in texts.items()
        if not name.endswith(".png")
        for address in re.findall(r"[\w.+-]+@[\w.-]+\.[A-Za-z]{2,}", text)
        if not re.search(r"@([\w-]+\.)*example(\.\w+)?$", address)
    }
    assert len(full_names) > 500 and notebooks
    assert told == {name: [] for name in notebooks}
    assert addresses == set()
    assert not any(planted(text) for text in texts.values())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_what_is_kept_is_for_us_alone(sandbox, home_folder, monkeypatch):
    "Files are 0600 and folders 0700 below the home, locks and notes too, also where umask forbids nothing."
    before = os.umask(0)
    try:
        done_in_python(sandbox, home_folder, personal=False)
        done_in_a_terminal(sandbox, home_folder, monkeypatch, personal=False)
        with tenant_lock(sandbox.tenant_uid, sandbox.base_url, "0" * 64):
            found = modes(home_folder)
    finally:
        os.umask(before)

    assert {path: mode for path, (mode, wanted) in found.items() if mode != wanted} == {}
    assert any(path.endswith(".lock") for path in found) and any("locks" in path for path in found)


def modes(folder):
    """The mode of each file and folder in a folder, beside the one that it should have."""
    return {
        str(path.relative_to(folder)): (oct(stat.S_IMODE(path.stat().st_mode)), "0o700" if path.is_dir() else "0o600")
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    "said",
    [
        "98765432",
        "987 65 432",
        "98 76 54 32",
        "0047 98765432",
        "070-123 45 67",
        "+47 900 00 000",
        "(040) 123 4567",
        "kari@example.org",
        "kari%40example.org",
    ],
)
def test_contacts_in_the_words_of_others_are_masked(said):
    "However a phone number or an address is written, no digit of it and no part of it is left."
    told = mask_contacts(f"the customer <{said}> of this tenant is unknown, see {said}.")

    assert told.startswith("the customer <") and "of this tenant is unknown" in told
    assert not any(part in told for part in re.findall(r"\d{2,}|kari|example", said))


@pytest.mark.parametrize(
    "said",
    [
        "since 2026-11-03 08:10 UTC",
        "of 1,234,567 counted",
        "b693905e706c1234",
        "c-10012345 and customer_12345678",
        "http://127.0.0.1:44893/v2",
        "status 503 after 30.0 s",
        "2026-11-26T01:56:16.123456Z",
    ],
)
def test_what_is_no_contact_is_left(said):
    "Days, counts, digests, uids with letters, addresses of hosts and seconds stay readable."
    assert mask_contacts(said) == said


@given(st.text(alphabet="a@%40<, ", max_size=30))
def test_an_address_is_masked_from_the_start_of_its_word(said):
    "Looked for from the starts of words only, as many addresses are found as from every letter."
    everywhere = re.sub(r"[^\s<>;,\"']+(?:@|%40)[^\s<>;,\"']+", "…@…", said)

    assert mask_explicit_contacts(said) == everywhere


def test_a_word_without_end_in_the_words_of_others_is_looked_through_once():
    "A refusal whose message is one long word costs no hours; its end is looked at too."
    word = "x" * 300_000

    assert mask_contacts(f"{word} {word}@example.org") == f"{word} …@…"
