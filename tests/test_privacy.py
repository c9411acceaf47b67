"""Tests to ensure that personal data and tokens are not stored, shown, or logged."""

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
# Values of a customer in all fields with personal data. By default, no such value may be stored.
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
# These customer fields are stored by default.
STORED = {"postalCode": "0150", "city": "Oslo", "countryCode": "NO"}
# These values include unknown fields, an unpaired surrogate, and personal data in fields of other types.
INVALID = {
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
    """Start an empty sandbox with 2 records per page and a known token."""
    with fg.Sandbox(empty=True, max_page_size=2, default_page_size=2, token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    """Return a sandbox with five customers, two of whom have personal data in all fields."""
    running.reset()
    invalid = {"customerUid": "c5", **PLANTED, **INVALID}
    running.put_customers([{"customerUid": "c1", **PLANTED, **STORED}, "c2", "c3", "c4", invalid])
    running.put_group("all", "All")
    running.put_group("vip", "VIP")
    running.add_members("all", ["c1", "c2", "c3", "c4", "c5"])
    running.add_members("vip", ["c1", "c2"])
    return running


def planted(text):
    """Return the planted personal values that a string contains."""
    return sorted(set(re.findall(r"planted[-\w@.]*", text, re.IGNORECASE)))


def everything_in(folder, name="*"):
    """Return the names and content of all files in a folder, including the cells and schemas of Parquet files."""
    texts = []
    for path in sorted(folder.rglob(name)):
        texts.append(path.name)
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet" and path.read_bytes().endswith(b"PAR1"):  # Tests can corrupt files.
            table = pq.read_table(path, partitioning=None)
            texts += [str(table.to_pylist()), str(table.schema), str(table.schema.metadata)]
    return "\n".join(texts)


def test_stored_snapshot(sandbox, tmp_path):
    "By default, the tables and files of a snapshot contain no customer names, contact data, addresses, or notes."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, tmp_path)

    tables = [snapshot.groups, snapshot.customers, snapshot.consents, snapshot.memberships, snapshot.reads]
    disk = everything_in(tmp_path)
    assert not any(planted(table.to_csv()) for table in tables)
    assert not planted(disk)
    assert "Oslo" in disk and "c1" in disk
    assert not {"firstname", "email", "mobile", "internal_note"} & set(snapshot.customers)


def test_contact_columns(sandbox):
    "Columns such as has_email state whether a customer has contact data, but do not contain the contact data."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False)

    customers = snapshot.customers.set_index("customer_uid")
    columns = ["has_email", "has_mobile", "has_loyalty_id", "has_vat_number"]
    assert customers.loc["c1", columns].all()
    assert not customers.loc["c2", columns].any()
    assert list(customers.loc["c1", ["postal_code", "city", "country_code"]]) == ["0150", "Oslo", "NO"]


def test_personal_snapshot(sandbox, tmp_path):
    "With personal=True, names, contact data, addresses, and notes are loaded and stored."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, tmp_path, personal=True)

    stored = fg.read_snapshot(tmp_path)
    pd.testing.assert_frame_equal(stored.customers, snapshot.customers)
    customer = stored.customers.set_index("customer_uid").loc["c1"]
    assert customer["email"] == PLANTED["email"]
    assert customer["internal_note"] == PLANTED["internalNote"]
    assert customer["account_manager_name"] == "Planted-Manager"
    assert "Planted-Second-Street 8" in customer["addresses"]
    assert "Planted-Contact" in customer["contacts"]


def test_max_age_and_personal(sandbox, tmp_path):
    "A load with personal=True does not use a stored snapshot without personal data, but the reverse is possible."
    with sandbox.client() as client:
        fg.load_snapshot(client, tmp_path)
        personal = fg.load_snapshot(client, tmp_path, max_age="1h", personal=True)
        sandbox.clear_requests()
        plain = fg.load_snapshot(client, tmp_path, max_age="1h")

    assert "email" in personal.customers
    assert plain.taken_at == personal.taken_at
    assert sandbox.requests() == []


def test_reprs(sandbox):
    "The reprs and notebook cards of snapshots, clients, customers, and groups show no personal data."
    with sandbox.client() as client:
        snapshot = fg.load_snapshot(client, False, personal=True)
        customers = list(client.iter_group_customers("vip"))

        shown = [
            *map(repr, (snapshot, client, customers, client.check(), client.get_group("vip"))),
            *(value._repr_html_() for value in (snapshot, client, client.check())),
            str(customers[0]),
            f"{customers[0]}",
        ]

    assert customers[0].email == PLANTED["email"]
    assert repr(customers[0]) == "<Customer c1>"
    assert not any(planted(text) for text in shown)


def error_text(error):
    """Return the traceback of an error and the attributes of the error and its causes."""
    texts = ["".join(traceback.format_exception(error))]
    names = ("args", "doc", "object", "line", "partial", "output", "stderr", "cmd")
    cause = error
    while cause is not None:
        texts.append(repr(vars(cause)) + "".join(repr(getattr(cause, name, "")) for name in names))
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


def log_text(records):
    """Return the attributes and the exceptions of log records."""
    causes = [record.exc_info[1] for record in records if record.exc_info]
    return "\n".join([*(repr(vars(record)) for record in records), *map(error_text, causes)])


@pytest.fixture
def logged(caplog):
    """Capture the log records of all packages at the level DEBUG."""
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
def test_errors_and_logs_of_a_load(fault, personal, sandbox, logged):
    "If a load fails, the error, its causes, and the DEBUG log contain no personal data and no token."
    sandbox.misbehave(fault)
    with sandbox.client(retry=RetryPolicy(max_attempts=2, base=0.001)) as client, pytest.raises(ApiError) as caught:
        fg.load_snapshot(client, False, personal=personal)

    assert planted(error_text(caught.value)) == []
    assert planted(log_text(logged.records)) == []
    assert len(logged.records) > 3


RECORD = b'{"firstname":"Planted-Firstname","token":"planted-token"}'
BODY = b"Content-Length: %d\r\n\r\n%b"
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def server_with_response(response):
    """Run a server that sends the given bytes in response to every request, and yield its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(response)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v2"
        server.shutdown(socket.SHUT_RDWR)


def with_body(body, head=OK):
    """Return a response with a body and a Content-Length header."""
    return head + BODY % (len(body), body)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param(with_body(b'{"items": [%b' % RECORD), UnexpectedResponseError, id="half a page"),
        pytest.param(with_body(b'{"items": [%b, "\xff"]}' % RECORD), UnexpectedResponseError, id="not UTF-8"),
        pytest.param(
            with_body(b'{"items": [], "paging": %b}' % RECORD), UnexpectedResponseError, id="record as paging"
        ),
        pytest.param(with_body(b"[%b]" % RECORD), UnexpectedResponseError, id="list"),
        pytest.param(with_body(RECORD, OK + b"Content-Encoding: gzip\r\n"), ConnectionFailedError, id="not gzip"),
        pytest.param(with_body(RECORD, b"HTTP/1.1 400 Bad\r\n"), ApiError, id="record as error"),
        pytest.param(with_body(RECORD, b"HTTP/1.1 500 Bad\r\n"), ApiError, id="record as server error"),
        pytest.param(RECORD + b"\r\n", ConnectionFailedError, id="record as status line"),
        pytest.param(b"HTTP/1.1 %b\r\n\r\n" % RECORD, ConnectionFailedError, id="record as status"),
        pytest.param(OK + b"Content-Length: 999\r\n\r\n" + RECORD, ConnectionFailedError, id="truncated"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n%b\r\n" % RECORD, ConnectionFailedError, id="record as chunk"
        ),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n99\r\n" + RECORD, ConnectionFailedError, id="truncated chunk"
        ),
    ],
)
def test_errors_of_invalid_responses(response, expected, logged):
    "If a response is invalid, the error and its causes contain no content of the response."
    with (
        server_with_response(response) as base_url,
        fg.Client("t-1", TOKEN, base_url=base_url, retry=RetryPolicy(max_attempts=1)) as client,
    ):
        with pytest.raises(expected) as load_error:
            fg.load_snapshot(client, False, personal=True)
        with pytest.raises(FrgroupsError) as group_error:
            client.get_group("vip")

    assert planted(error_text(load_error.value)) == []
    assert planted(error_text(group_error.value)) == []
    assert planted(log_text(logged.records)) == []


def test_token_command_that_fails(sandbox, home_folder, logged, capfd, monkeypatch):
    "If a token command prints the token and then fails, the error, the log, and the output do not contain the token."
    code = "import os, sys; print(os.environ['SECRET']); print(os.environ['SECRET'], file=sys.stderr); sys.exit(3)"
    monkeypatch.setenv("SECRET", TOKEN)
    write_tenants(home_folder, "no", sandbox, [sys.executable, "-c", code])
    with fg.Client.from_config("no") as client, pytest.raises(TokenCommandError) as caught:
        client.check()
    codes = [main(["load", *more, "--log", "json", "-vv"]) for more in (["--tenant", "no"], ["--all", "--json"])]

    assert codes == [1, 1]
    assert planted(error_text(caught.value)) == []
    assert planted(log_text(logged.records)) == []
    assert planted("".join(capfd.readouterr())) == []


def test_progress(sandbox, capfd):
    "Progress callbacks and progress bars receive no personal data."
    calls = []
    with sandbox.client() as client:
        fg.load_snapshot(client, False, personal=True, progress=lambda *state: calls.append(state))
        fg.load_snapshot(client, False, personal=True, progress=True)

    shown = "".join(capfd.readouterr())
    assert calls and planted(repr(calls)) == []
    assert shown and planted(shown) == []


# Complete workflow


def write_tenants(home, name, sandbox, command):
    """Write a file tenants.toml with one tenant."""
    facts = {"tenant_uid": sandbox.tenant_uid, "host": sandbox.base_url, "token_command": command}
    path = home / "tenants.toml"
    path.write_text(f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items()))
    path.chmod(0o600)


def representations(*values):
    """Return the strings that `print` and a notebook show for the given values."""
    texts = [text for value in values for text in (repr(value), str(value))]
    return texts + [value._repr_html_() for value in values if hasattr(value, "_repr_html_")]


def run_in_python(sandbox, home, *, personal):
    """Run the complete workflow, from the load to the erasure, in Python, and return all strings that it shows."""
    shown = []
    with sandbox.client(writable=True) as client:
        for cover in (True, False):
            snapshot = fg.load_snapshot(client, cover=cover, personal=personal, progress=True)
        snapshot = fg.refresh_groups(client, snapshot, ["VIP"], progress=True)
        fg.save_snapshot(snapshot)
        again = fg.read_snapshot(at="2999-01-01")
        page = client.read_customer_page("vip", page_number=1, page_size=2)
        shown += representations(snapshot, again, client, client.check(), page, *page.items, client.get_group("vip"))
        shown += representations(list(client.iter_groups()), list(client.iter_group_customers("all")), vars(client))
        shown += representations(
            snapshot.groups, snapshot.reads, snapshot.memberships, snapshot.consents, snapshot.matrix
        )
        shown += representations(
            snapshot.describe(), fg.group_sizes(snapshot), fg.overlap_pairs(snapshot, universe=9)
        )

        plan = fg.plan_memberships(snapshot, {"vip": ["c1", "c3", "c5"]}, mode="mirror", limits=OPEN)
        path = plan.save(home / "plans" / "vip.plan.json")
        review = fg.save_review(plan, home / "plans" / "vip.html")
        approval = fg.approve_plan(plan, by="Kari", path=home / "plans" / "vip.approval.json")
        receipt = fg.apply_plan(client, plan, approval=approval)
        undo = fg.plan_undo(receipt, limits=OPEN)
        shown += representations(plan, plan.table(), plan.summary(), plan.payloads(), plan.findings, review, path)
        shown += representations(
            review_markdown(plan), review_csv(plan), receipt, receipt.summary(), receipt.table(), undo
        )
        sandbox.misbehave(Fault("status_after", method="PUT", status=500, times=None))
        shown += representations(fg.apply_plan(client, undo, approval=undo.digest).summary())
        sandbox.behave()
        later = fg.load_snapshot(client, personal=personal)
        shown += representations(fg.group_changes(snapshot, later), fg.membership_changes(snapshot, later))
        shown += representations(fg.group_flow(snapshot, later), fg.size_history(), fg.customer_history("c1"))

    newest = Path(fg.list_snapshots()["path"].iloc[-1])
    (newest / "consents.parquet").write_bytes(b"damaged")
    shown += representations(fg.read_snapshot(allow_older=True), fg.cache_info(), fg.list_snapshots(), fg.prune())
    shown += representations(
        fg.tenant_status(), status_html(fg.tenant_status()), fg.erase_customer("c1", dry_run=True)
    )
    export = fg.export_customer("c1")
    return shown if personal else [*shown, json.dumps(export)]


def run_failures(sandbox, *, personal):
    """Run loads that fail in different ways, and return the error messages and tracebacks."""
    texts, snapshot = [], fg.read_snapshot()
    for fault in (
        Fault("status", status=401, path="/customers", skip=2, times=None),
        Fault("status", status=500, path="/customers", skip=2, times=None),
        Fault("html", path="/customers", skip=2, times=None),
        Fault("garbage", path="/customers", skip=2, times=None),
        Fault("cut_during", path="/customers", skip=2, times=None),
    ):
        sandbox.misbehave(fault)
        with sandbox.client(retry=RetryPolicy(max_attempts=2, base=0.001)) as client:
            with pytest.raises(ApiError) as load_error:
                fg.load_snapshot(client, personal=personal)
            with pytest.raises(ApiError) as refresh_error:
                fg.refresh_groups(client, snapshot, ["all"])
            texts += [error_text(load_error.value), error_text(refresh_error.value)]
    sandbox.behave()
    return texts


def run_in_a_terminal(sandbox, home, monkeypatch, *, personal):
    """Run the complete workflow with verbose commands, and return the output of a separate process."""
    monkeypatch.setenv("TOKEN_OF_NO", TOKEN)
    write_tenants(home, "no", sandbox, [sys.executable, "-c", "import os; print(os.environ['TOKEN_OF_NO'])"])
    verbose, more = ["--log", "json", "-vv"], ["--personal"] * personal
    assert main([*verbose, "load", "--tenant", "no", *more]) == 0
    assert main([*verbose, "load", "--all", "--json", *more]) == 0
    for words in (
        ["doctor", "--tenant", "no"],
        ["status", "--all", "--html", str(home / "status.html")],
        ["status", "--json"],
        ["table", "group_sizes", "--csv", str(home / "sizes.csv")],
        ["table", "overlap_pairs"],
        ["table", "membership_changes"],
        ["report"],
        ["who", "c1"],
        ["who", "c1", "--json"],
    ):
        assert main([*verbose, *words]) in (0, 9)
    will_fail = (fg.erase_customer("c1", dry_run=True)["action"] == "failed").any()
    assert main([*verbose, "erase-customer", "c1"]) == (5 if will_fail else 0)
    plan = home / "plans" / "cli.plan.json"
    assert main([*verbose, "plan", "--group", "vip", "--members", "all", "--out", str(plan)]) == 0
    assert main([*verbose, "show", str(plan), "--table"]) == 0
    assert main([*verbose, "approve", str(plan), "--by", "Kari"]) == 0
    assert main([*verbose, "apply", str(plan), "--tenant", "no"]) == 0
    if not personal:
        assert main([*verbose, "export-customer", "c1", "--out", str(home / "c1.json")]) == 0
    command = [sys.executable, "-m", "frgroups.cli.main", *verbose, "load", "--tenant", "no", *more]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"event"' in process.stderr
    return process.stdout + process.stderr


OPEN = fg.Limits(
    removals_per_group=None, removal_share=None, removals_total=None, removal_share_total=None, emptied_groups=None
)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Create a separate folder for temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("personal", [False, True])
def test_workflow(personal, sandbox, home_folder, temporary, logged, capfd, monkeypatch):
    "The complete workflow shows, logs, and stores no personal data, except in customers.parquet with personal=True."
    shown = run_in_python(sandbox, home_folder, personal=personal)
    shown += run_failures(sandbox, personal=personal)
    shown.append(run_in_a_terminal(sandbox, home_folder, monkeypatch, personal=personal))

    paths = [path for path in home_folder.rglob("*") if path.is_file()]
    with_personal_data = {str(path) for path in paths if planted(everything_in(path.parent, path.name))}
    assert planted("\n".join(shown)) == []
    assert planted(log_text(logged.records)) == []
    assert planted("".join(capfd.readouterr())) == []
    assert planted(everything_in(temporary)) == []
    assert len(paths) > 30
    if not personal:
        assert with_personal_data == set()
    else:
        assert {Path(path).name for path in with_personal_data} == {"customers.parquet"}
        assert TOKEN not in everything_in(home_folder)


def test_search_finds_personal_data(sandbox, tmp_path):
    "With personal=True, the search that the privacy tests use finds all planted values in customers.parquet."
    with sandbox.client() as client:
        fg.load_snapshot(client, tmp_path, personal=True)

    found = {word.lower() for word in planted(everything_in(tmp_path, "customers.parquet"))}
    assert {word.lower() for word in planted(json.dumps(PLANTED))} <= found


@pytest.mark.slow
def test_committed_files():
    "Committed files contain no email addresses, and notebooks contain no phone numbers or customer names."
    if not (REPOSITORY / ".git").exists():
        pytest.skip("The project is not a Git checkout.")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith("tests/")]
    texts = {
        name: (REPOSITORY / name).read_bytes().decode("latin-1") for name in names if (REPOSITORY / name).exists()
    }
    notebooks = {name: (REPOSITORY / name).read_text("utf-8") for name in texts if name.endswith(".ipynb")}
    with fg.Sandbox(customers=2000, groups=8) as sandbox, sandbox.client() as client:
        customers = [customer for group in sandbox.groups() for customer in client.iter_group_customers(group)]
    full_names = {customer.display_name for customer in customers if " " in (customer.display_name or "")}

    contacts = {
        name: [
            *re.findall(r"[\w.+-]+@[\w.-]+\.[A-Za-z]{2,}|\+\d[\d ]{7,}\d", text),
            *(full_name for full_name in full_names if full_name in text),
        ]
        for name, text in notebooks.items()
    }
    addresses = {
        (name, address)
        for name, text in texts.items()
        if not name.endswith(".png")
        for address in re.findall(r"[\w.+-]+@[\w.-]+\.[A-Za-z]{2,}", text)
        # RFC 2606 reserves these names, so they are never the address of a person.
        if not re.search(r"@([\w-]+\.)*(example(\.\w+)?|test)$", address)
    }
    assert len(full_names) > 500 and notebooks
    assert contacts == {name: [] for name in notebooks}
    assert addresses == set()
    assert not any(planted(text) for text in texts.values())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_modes(sandbox, home_folder, monkeypatch):
    "For any umask, all files in the data folder have the mode 0600, and all folders have the mode 0700."
    before = os.umask(0)
    try:
        run_in_python(sandbox, home_folder, personal=False)
        run_in_a_terminal(sandbox, home_folder, monkeypatch, personal=False)
        with tenant_lock(sandbox.tenant_uid, sandbox.base_url, "0" * 64):
            modes = modes_in(home_folder)
    finally:
        os.umask(before)

    assert {path: mode for path, (mode, expected) in modes.items() if mode != expected} == {}
    assert any(path.endswith(".lock") for path in modes) and any("locks" in path for path in modes)


def modes_in(folder):
    """Return the actual and expected file mode of each file and folder in a folder."""
    return {
        str(path.relative_to(folder)): (oct(stat.S_IMODE(path.stat().st_mode)), "0o700" if path.is_dir() else "0o600")
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    "contact",
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
def test_mask_contacts(contact):
    "`mask_contacts` masks phone numbers and email addresses in any notation completely."
    masked = mask_contacts(f"the customer <{contact}> of this tenant is unknown, see {contact}.")

    assert masked.startswith("the customer <") and "of this tenant is unknown" in masked
    assert not any(part in masked for part in re.findall(r"\d{2,}|kari|example", contact))


@pytest.mark.parametrize(
    "text",
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
def test_text_without_contacts(text):
    "`mask_contacts` does not mask dates, counts, digests, uids with letters, host addresses, and durations."
    assert mask_contacts(text) == text


@given(st.text(alphabet="a@%40<, ", max_size=30))
def test_mask_email_addresses(text):
    "Masking email addresses from word boundaries has the same result as a slower search from each character."
    expected = re.sub(r"[^\s<>;,\"']+(?:@|%40)[^\s<>;,\"']+", "…@…", text)

    assert mask_explicit_contacts(text) == expected


def test_mask_contacts_in_a_long_word():
    "Masking searches a very long word in linear time, and masks an email address at the end of the word."
    word = "x" * 300_000

    assert mask_contacts(f"{word} {word}@example.org") == f"{word} …@…"
