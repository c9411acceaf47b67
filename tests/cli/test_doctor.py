"""Tests for `frgroups doctor`, which checks the installation, the configuration, and the connection."""

import json
import re

import pytest

import frgroups as fg
from frgroups.api.transport import Transport
from frgroups.cli.main import main
from frgroups.sandbox.faults import Fault
from tests.api.service import EMPTY, Service, whole
from tests.world import select_sandbox

NAMES = [
    *("packages", "data folder", "tenants.toml", "variables", "stored snapshots"),
    *("proxy", "certificates", "connection", "token", "paging", "clock", "write access", "suppression list"),
    "apply windows",
]


@pytest.fixture(scope="module")
def sandbox():
    """Start a small sandbox."""
    with fg.Sandbox(customers=300, groups=8) as running:
        yield running


@pytest.fixture
def environment(sandbox, monkeypatch):
    """Select the sandbox."""
    sandbox.behave()
    select_sandbox(sandbox, monkeypatch)
    return sandbox


def read_checks(capsys, *words):
    """Run the command with --json, and return the exit code and the checks by name."""
    capsys.readouterr()
    code = main(["doctor", "--json", *words])
    document = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in document["rows"]] == NAMES
    return code, {row["name"]: row for row in document["rows"]}


def select_server(monkeypatch, base_url):
    """Select a tenant of a server."""
    for name, value in (("TENANT_UID", "t-1"), ("TOKEN", "token"), ("BASE_URL", base_url)):
        monkeypatch.setenv(f"FRGROUPS_{name}", value)


def test_no_problems(environment, capsys):
    "The first line is the verdict. The versions are printed only with -v."
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert main(["doctor", "-v"]) == 0
    verbose = capsys.readouterr().out

    assert re.fullmatch(r"OK: \d+ checks, 0 problems", out.splitlines()[0])
    assert environment.base_url in out and environment.token not in out
    assert re.search(r"^httpx +\d", verbose, re.M) and not re.search(r"^httpx", out, re.M)
    code, checks = read_checks(capsys)
    n_checked = sum(row["ok"] is not None for row in checks.values())
    assert code == 0 and f"OK: {n_checked} checks," in out and checks["write access"]["ok"] is None


def test_suppression_list_and_writes(environment, home_folder, capsys):
    "The checks contain the path of the suppression list and the results of the write probe."
    _, checks = read_checks(capsys)
    path = fg.suppression_list_path(environment.client())
    assert str(path) in checks["suppression list"]["detail"]

    path.parent.mkdir(parents=True)
    path.write_text("customer_uid\nc-1\n")
    code, checks = read_checks(capsys, "--probe-writes")
    assert code == 0 and checks["suppression list"]["detail"].startswith("1 customer,")
    assert checks["write access"]["ok"] and "Addition repeated" in checks["write access"]["detail"]

    path.write_text("name\nKari\n")
    code, checks = read_checks(capsys)
    assert code == 1 and checks["suppression list"]["ok"] is False and checks["write access"]["ok"]

    [stored] = [file for file in home_folder.rglob("*.json") if "capabilities" in file.read_text()]
    stored.write_text("{")
    code, checks = read_checks(capsys)
    assert code == 1 and checks["write access"]["ok"] is False


@pytest.mark.parametrize(
    ("variables", "fault", "problem", "fact"),
    [
        ({"FRGROUPS_TOKEN": "wrong"}, None, "token", "401"),
        ({"FRGROUPS_TOKEN": ""}, None, "variables", "FRGROUPS_TOKEN"),
        ({"FRGROUPS_TENANT_UID": ""}, None, "variables", "--tenant"),
        ({"FRGROUPS_BASE_URL": "http://127.0.0.1:9/v2"}, None, "connection", "127.0.0.1:9"),
        ({"FRGROUPS_BASE_URL": "nowhere"}, None, "connection", "nowhere"),
        ({}, Fault("status", status=404, times=None), "connection", "404"),
        ({}, Fault("status", status=403, times=None), "token", "403"),
    ],
)
def test_problems(environment, capsys, monkeypatch, variables, fault, problem, fact):
    "Each problem is reported in its check with the action that solves it, and the exit code is 1."
    monkeypatch.setattr("frgroups.api.retry.time.sleep", lambda _: None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if fault is not None:
        environment.misbehave(fault)

    code, checks = read_checks(capsys)
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()

    assert code == 1 and checks[problem]["ok"] is False and fact in checks[problem]["detail"]
    assert out.startswith("PROBLEM: ") and f"\n{problem}: " in out and err == ""
    assert environment.token not in out


def test_html_page(capsys, monkeypatch, home_folder):
    "A page of a firewall is a problem of the connection and not of the token."
    with Service(whole(b"<html>Blocked</html>", status="403 Forbidden")) as service:
        select_server(monkeypatch, service.url)
        code, checks = read_checks(capsys)

    assert code == 1 and checks["connection"]["ok"] is False and "HTML" in checks["connection"]["detail"]
    assert checks["token"]["ok"] is None


def test_tenant_without_groups(capsys, monkeypatch, home_folder):
    "If the server returns no groups, the tenant uid can be wrong, so the check names its variable."
    with Service(whole(EMPTY)) as service:
        select_server(monkeypatch, service.url)
        _, checks = read_checks(capsys)

    assert checks["connection"]["ok"] is True and "FRGROUPS_TENANT_UID" in checks["connection"]["detail"]


def test_data_folder(environment, home_folder, capsys, monkeypatch):
    "A damaged configuration or snapshot, a folder that is not writable, and a wrong clock are problems."
    (home_folder / "tenants.toml").write_text('[a]\ntenant_uid = "t"\nhots = "stage"\n')
    (home_folder / "tenants.toml").chmod(0o600)
    folder = fg.save_snapshot(fg.sample_snapshot())
    (folder / "manifest.json").write_text("{")
    monkeypatch.setattr(Transport, "_update_clock_skew", lambda self, _: setattr(self, "clock_skew", 3600.0))

    def fail(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("frgroups.cli.doctor_checks.tempfile.NamedTemporaryFile", fail)

    code, checks = read_checks(capsys)

    problems = {name for name, row in checks.items() if row["ok"] is False}
    assert code == 1 and problems == {"data folder", "tenants.toml", "stored snapshots", "clock"}
    assert str(folder) in checks["stored snapshots"]["detail"] and "3,600 s" in checks["clock"]["detail"]


@pytest.mark.parametrize("name", ["FRGROUPS_TENANT_UID", "FRGROUPS_TOKEN"])
@pytest.mark.parametrize("value", ["", "  "])
def test_missing_variable(environment, capsys, monkeypatch, name, value):
    "A missing variable has the same error in `frgroups doctor`, in other commands, and in Python."
    monkeypatch.setenv(name, value)
    with pytest.raises(fg.errors.InputError, match=name) as caught:
        fg.Client.from_env()
    _, checks = read_checks(capsys)

    assert main(["apply", "--queue"]) == 1
    assert caught.value.cli_text in capsys.readouterr().err
    assert checks["variables"]["detail"] == checks["connection"]["detail"] == caught.value.cli_text


def test_proxy_and_certificates(environment, home_folder, capsys, monkeypatch):
    "For every tenant, the checks show the CA certificates and the proxy without its password."
    certificates = pytest.importorskip("certifi").where()
    table = (
        f'tenant_uid = "t-1"\nhost = "https://shop.test/v2"\ntoken_command = "echo x"\nca_file = "{certificates}"\n'
    )
    (home_folder / "tenants.toml").write_text(f"[own]\n{table}[other]\n{table.replace('shop', 'other')}")
    (home_folder / "tenants.toml").chmod(0o600)
    monkeypatch.setenv("HTTPS_PROXY", "http://kari:s3cret@127.0.0.1:9")
    monkeypatch.setattr("frgroups.api.retry.sleep", lambda seconds: None)
    monkeypatch.setattr("frgroups.api.transport.sleep", lambda seconds: None)

    code, checks = read_checks(capsys, "--tenant", "own")

    assert code == 1 and checks["proxy"]["ok"] is checks["certificates"]["ok"] is True
    assert "http://127.0.0.1:9 " in checks["proxy"]["detail"] and "HTTPS_PROXY" in checks["proxy"]["detail"]
    assert checks["certificates"]["detail"] == certificates
    assert "s3cret" not in json.dumps(checks) and "kari" not in json.dumps(checks)

    monkeypatch.setenv("NO_PROXY", "localhost,shop.test")
    code, checks = read_checks(capsys, "--tenant", "own")
    assert checks["proxy"]["ok"] is None and "NO_PROXY" in checks["proxy"]["detail"]
    assert code == 1 and "NO_PROXY" in checks["connection"]["detail"]


@pytest.mark.parametrize(
    ("variables", "verify", "expected"),
    [
        ({}, True, "default"),
        ({}, False, "not verified"),
        ({"SSL_CERT_FILE": "FILE"}, True, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "FILE", "SSL_CERT_DIR": "/x"}, True, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "FILE"}, "FILE", "cacert.pem"),
    ],
)
def test_description_of_certificates(variables, verify, expected, monkeypatch):
    "The description names the certificates that the client trusts."
    file = pytest.importorskip("certifi").where()
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("FILE", file))
    with fg.Client("t-1", "token", verify=file if verify == "FILE" else verify) as client:
        assert expected in client.certificates
    with fg.Client("t-1", "token", base_url="http://127.0.0.1/v2", verify=verify) as client:
        assert client.certificates is None
