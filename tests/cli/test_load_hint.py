"""Tests for the hints of commands that find no stored snapshot."""

import re
import shlex
from dataclasses import replace

import pytest

import frgroups as fg
from frgroups.cli.main import main
from tests.world import select_sandbox


def write_tenants(home_folder, sandbox, names):
    """Write a tenants.toml in which each name selects the sandbox under another host name."""
    hosts = [sandbox.base_url, sandbox.base_url.replace("127.0.0.1", "localhost")]
    path = home_folder / "tenants.toml"
    tables = [
        f'["{name}"]\ntenant_uid = "{sandbox.tenant_uid}"\nhost = "{host}"\ntoken_command = "echo {sandbox.token}"\n'
        for name, host in zip(names, hosts, strict=False)
    ]
    path.write_text("\n".join(tables))
    path.chmod(0o600)


def hinted_command(capsys, *words):
    """Return the words of the first load command in the error of a command."""
    assert main([*words]) == 1
    text = capsys.readouterr().err.replace("\n", " ")
    [command, *_] = re.findall(r"frgroups (load.*?)(?:, or |\.(?:\s|$))", text)
    return shlex.split(command)


@pytest.mark.parametrize("names", [["sport_no"], ["sport_no", "sport_se"], ["sport no", "sport_se"]])
@pytest.mark.parametrize("command", [["table", "group_sizes"], ["table", "size_history"], ["health"]])
def test_hint_without_tenant(names, command, sandbox, home_folder, capsys):
    "If no tenant is selected, the hint is a command that works, for one and for several tenants in tenants.toml."
    write_tenants(home_folder, sandbox, names)
    words = hinted_command(capsys, *command)

    assert words == ["load", "--tenant", names[0]] and main(words) == 0
    assert main(command) == 0


def test_hint_with_tenant(sandbox, home_folder, tmp_path, capsys, monkeypatch):
    "The hint contains the selected tenant, but not the folder of the snapshots, which the load does not use."
    write_tenants(home_folder, sandbox, ["a", "b"])
    cache = ["--cache", str(tmp_path)]

    assert hinted_command(capsys, "health", "--tenant", "b", *cache) == ["load", "--tenant", "b"]
    assert hinted_command(capsys, "health", "--tenant", sandbox.tenant_uid) == ["load", "--tenant", "a"]
    assert hinted_command(capsys, "health", "--tenant", "nobody") == ["load", "--tenant", "a"]
    select_sandbox(sandbox, monkeypatch)
    words = hinted_command(capsys, "health", *cache)
    assert words == ["load"] and main(words) == 0 and main(["health"]) == 0


def test_hint_without_configuration(home_folder, capsys):
    "If no tenant is configured, the hint names the variables that select a tenant, and the sandbox."
    for words in (["table", "group_sizes"], ["report"], ["load"]):
        assert main(words) == 1
        hint = " ".join(capsys.readouterr().err.split())
        assert "FRGROUPS_TENANT_UID" in hint and "frgroups sandbox" in hint


def test_hint_with_variables(home_folder, monkeypatch, capsys):
    "If the variables select a tenant, the hint does not mention the sandbox."
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-1")
    assert main(["report"]) == 1
    assert "frgroups sandbox" not in " ".join(capsys.readouterr().err.split())


def test_snapshots_of_several_hosts(capsys):
    "If snapshots of several hosts are stored, the options in the hint select one of them."
    for base_url in (fg.STAGE, fg.PRODUCTION):
        fg.save_snapshot(replace(fg.sample_snapshot(), base_url=base_url))

    assert main(["table", "group_sizes"]) == 1
    [options] = re.findall(r"--tenant \S+\s+--base-url \S+", capsys.readouterr().err)
    assert main(["table", "group_sizes", *options.rstrip(".").split()]) == 0
