"""Tests for the file `tenants.toml` and for token commands, which print a token."""

import logging
import os
import shlex
import sys
import traceback
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.api import token_command
from frgroups.api.tenants_config import find_tenant, read_tenants
from frgroups.api.token_command import run_token_command
from frgroups.errors import AuthError, InputError, TokenCommandError

SECRET = "eyJhbGciOiJIUzI1NiJ9.planted-token.0123456789"
VALID = '{tenant_uid = "t-1", host = "stage", token_command = ["echo", "x"]}'


@pytest.fixture
def write(home_folder):
    """A function that writes the file `tenants.toml` in the data folder."""

    def write_text(text):
        path = home_folder / "tenants.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return write_text


def python(code):
    """Return the words of a command that runs Python code."""
    return [sys.executable, "-c", code]


def config_error(name="a"):
    """Return the error message for a tenant that cannot be used."""
    with pytest.raises(InputError) as caught:
        find_tenant(name)
    return str(caught.value)


# File


def test_from_config(write):
    "A client uses the values in the tenant's table of `tenants.toml`. Arguments take precedence over these values."
    write(
        """
        [sport_no]
        tenant_uid = "t-1"
        host = "production"
        token_command = "pass show 'flow retail/no'"
        workers = 2
        page_size = 250
        requests_per_second = 5
        timeout = 12.5

        ["sport.se"]
        tenant_uid = "t-2"
        host = "http://127.0.0.1:9/v2/"
        token_command = ["echo", "x"]
        """
    )

    with fg.Client.from_config("sport_no", page_size=100, writable=True) as client:
        assert (client.tenant_uid, client.base_url, client.writable) == ("t-1", fg.PRODUCTION, True)
        assert (client.workers, client.page_size) == (2, 100)
    with fg.Client.from_config("sport.se") as client:
        assert (client.tenant_uid, client.base_url, client.writable) == ("t-2", "http://127.0.0.1:9/v2", False)
    assert find_tenant("sport_no").token_command == ("pass", "show", "flow retail/no")
    assert find_tenant("sport_no").options["timeout"] == 12.5


def test_path_argument(tmp_path):
    "If `path` is passed, this file is read instead of `tenants.toml` in the data folder."
    path = tmp_path / "mine.toml"
    path.write_text(f"a = {VALID}")

    with fg.Client.from_config("a", path=path) as client:
        assert client.tenant_uid == "t-1"


def test_missing_file(home_folder):
    "If `tenants.toml` is missing, the error contains the path of the file and an example of a valid table."
    message = config_error()

    assert str(home_folder / "tenants.toml") in message
    (home_folder / "tenants.toml").write_text(message.partition("\n\n")[2].replace("the uid of the tenant", "u"))
    assert find_tenant("sport_no").base_url == fg.STAGE


def test_unknown_name(write):
    "The error for an unknown tenant name contains similar names. For a tenant uid, it contains the tenant's name."
    write(f"sport_no = {VALID}\nother = {VALID.replace('t-1', 't-2')}")

    with pytest.raises(InputError, match="'sport_on'") as caught:
        find_tenant("sport_on")
    assert caught.value.close == ["sport_no"]
    assert "'sport_no'" in config_error("sport_on") and "other" in config_error("sport_on")
    assert "'t-1'" in config_error("t-1") and "'sport_no'" in config_error("t-1")


@pytest.mark.parametrize(
    ("table", "facts"),
    [
        ('{tenant_uid = "t", host = "stage"}', ["`token_command`"]),
        ("{}", ["`tenant_uid`"]),
        (VALID.replace("host", "hots"), ["'hots'", "'host'"]),
        (VALID.replace("host", "zzzzz"), ["'zzzzz'", "tenant_uid, host"]),
        (VALID.replace("token_command", "token_cmd"), ["'token_cmd'", "'token_command'"]),
        (VALID.replace('"t-1"', "7"), ["a whole number", "`tenant_uid`"]),
        (VALID.replace('"t-1"', '"a/b"'), ["'a/b'", "tenant uid"]),
        (VALID.replace("stage", "stag"), ["`base_url`", "'stag'"]),
        (VALID.replace("stage", "http://api.example/v2"), ["`base_url`", "https"]),
        (VALID.replace('["echo", "x"]', "7"), ["a whole number", "`token_command`"]),
        (VALID.replace('["echo", "x"]', '["echo", 7]'), ["a whole number", "`token_command[1]`"]),
        (VALID.replace('["echo", "x"]', "[]"), ["`token_command`", "empty"]),
        (VALID.replace('["echo", "x"]', '"  "'), ["`token_command`", "empty"]),
        (VALID.replace('["echo", "x"]', '"echo \'x"'), ["`token_command`", "quotation"]),
        (VALID.replace("}", ", workers = 0}"), ["`workers`", "0"]),
        (VALID.replace("}", ", workers = 2.5}"), ["`workers`", "2.5"]),
        (VALID.replace("}", ", page_size = true}"), ["`page_size`", "True"]),
        (VALID.replace("}", ", timeout = nan}"), ["`timeout`", "nan"]),
        (VALID.replace("}", ', requests_per_second = "5"}'), ["`requests_per_second`", "'5'"]),
    ],
)
def test_invalid_table(write, table, facts):
    "The error for an invalid table contains the file, the table, and the key. Other tenants can still be used."
    path = write(f"a = {table}\nb = {VALID.replace('t-1', 't-9')}")
    message = config_error()

    assert all(fact in message for fact in (str(path), "[a]", *facts))
    assert find_tenant("b").tenant_uid == "t-9"


@pytest.mark.parametrize("key", ["token", "access_token", "password", "client_secret", "api_key", "bearer"])
def test_token_in_the_file(write, key):
    "A configuration key that might contain a token is rejected, and the error does not contain the key's value."
    write("a = " + VALID.replace("}", f", {key} = {SECRET!r}}}"))
    message = config_error()

    assert f"'{key}'" in message and "`token_command`" in message
    assert SECRET not in message

    write(f"{key} = '{SECRET}'\na = {VALID}")
    assert "`token_command`" in config_error() and SECRET not in config_error()


def test_many_duplicate_tenants(write):
    "If more than two tables configure the same tenant, every error lists all of these tables."
    names = ["a", "b", "c c", "d"]
    write("".join(f'"{name}" = {VALID}\n' for name in names) + f"other = {VALID.replace('t-1', 't-2')}")

    [problem] = {tenant.problem for name, tenant in read_tenants().items() if name != "other"}
    assert all(heading in problem for heading in ("[a]", "[b]", '["c c"]', "[d]")) and "[other]" not in problem


def test_duplicate_tenants(write):
    "Two tables with the same tenant uid and host are rejected. Two tables with different hosts are valid."
    production = VALID.replace("stage", "production")
    url = VALID.replace("stage", f"{fg.STAGE}/")
    write(f"a = {VALID}\nb = {production}\nc = {url}")

    assert "[c]" in config_error("a") and "[b]" not in config_error("a")
    assert "[a]" in config_error("c")
    assert find_tenant("b").base_url == fg.PRODUCTION


@pytest.mark.parametrize(
    "names", [["a", "A "], ["a", "A"], ["vip no", "VIP NO"], ["a", "\uff21"], ["a b", "ab", " AB"], ["æ", "Æ"]]
)
def test_similar_names(write, names):
    "Tables with names that differ only in case or spaces are rejected. The error names all of them."
    tables = [f'"{name}" = {VALID.replace("t-1", f"t-{i}")}\n' for i, name in enumerate(names)]
    write("".join(tables) + f"other = {VALID.replace('t-1', 't-other')}")

    for name in names:
        error = config_error(name)
        quoted = [other for other in names if f"[{other}]" in error or f'["{other}"]' in error]
        assert quoted == names
    assert find_tenant("other").tenant_uid == "t-other"


def test_spaces_in_listed_names(write):
    "The names in the error for an unknown name are quoted if they contain spaces."
    write(f'"sport no" = {VALID}\nother = {VALID.replace("t-1", "t-2")}')

    assert "other and 'sport no'" in config_error("x")


INLINE = VALID.replace("t-1", SECRET)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (f"[a]\nx = '{SECRET}'\n\n[ 'a' ]  # {SECRET}\ny = 1\n", ["[a]", "line 4", "line 1"]),
        ('["sport.no"]\r\n["sport.no"]\r\n', ['["sport.no"]', "line 2", "line 1"]),
        ("[a.b]\n[a]\n['a'.b]", ["[a.b]", "line 3", "line 1"]),
        ("[a]\n[[a]]", ["[a]", "line 2", "line 1"]),
        ("[[a]]\n[a]", ["[a]", "line 2", "line 1"]),
        (f"a = {INLINE}\n[a]", ["[a]", "line 2", "line 1"]),
        (f"a.b = '{SECRET}'\n[a]", ["[a]", "line 2"]),
        (f"a = {INLINE}\n\na = {INLINE}\n", ["key a,", "line 3", "line 1"]),
        (f"[a]\nhost = '{SECRET}'\n'host' = '{SECRET}'", ["key host,", "line 3", "line 2"]),
        (f"[a]\nhost = 1\nhost = [\n '{SECRET}',\n]\nx = 1", ["key host,", "line 3", "line 2"]),
        (f"[a]\nhost = 1\nhost = '''\n{SECRET} = 1\n'''", ["key host,", "line 3", "line 2"]),
        (f"a = {INLINE}\na.b = '{SECRET}'", ["key a.b,", "line 2"]),
    ],
)
def test_duplicates(write, text, facts):
    "The error for a table or a key that is defined twice contains its name and its lines, but no value."
    path = write(text)
    error = config_error()

    assert all(fact in error for fact in (str(path), *facts))
    assert SECRET not in error and "twice" not in error and "overwrite" not in error


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("[a\n", "TOML"),
        ("[a]\n[a]\n", "TOML"),
        ("tenant_uid = 't'", "'tenant_uid'"),
        (f"[[a]]\nb = {VALID}", "[a]"),
        (f'"" = {VALID}', "''"),
        (f"--all = {VALID}", "'--all'"),
        (f"[a.b]\nc = {VALID}", '["sport.no"]'),
    ],
)
def test_invalid_file(write, text, fact):
    "If `tenants.toml` is invalid, the error contains the path of the file and the invalid part."
    path = write(text)

    assert fact in config_error() and str(path) in config_error()


def test_other_encoding(write):
    "If `tenants.toml` is not encoded in UTF-8, the error mentions this encoding."
    write("").write_bytes(b"\xff\xfe")

    assert "UTF-8" in config_error()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_writable_file(write, caplog):
    "If all users can write `tenants.toml`, it is rejected. If only its user group can write it, a warning is logged."
    path = write(f"a = {VALID}")

    path.chmod(0o644)
    assert find_tenant("a") and caplog.records == []
    path.chmod(0o664)
    assert find_tenant("a") and [record.event for record in caplog.records] == ["config_writable"]
    path.chmod(0o666)
    assert f"chmod go-w {path}" in config_error()


def test_repr_hides_the_command(write):
    "The repr of a tenant does not contain the token command, because the command can contain a password."
    write("a = " + VALID.replace('"x"', repr(SECRET)))

    assert find_tenant("a").token() == SECRET
    assert SECRET not in repr(find_tenant("a")) + repr(read_tenants())


# Token command


@pytest.fixture(scope="module")
def sandbox():
    """A running sandbox with 8 groups."""
    with fg.Sandbox(customers=200, groups=8) as running:
        yield running


def configured(write, sandbox, command):
    """Write a `tenants.toml` that contains the sandbox tenant as `a` with the given token command."""
    words = ", ".join(f"'''{word}'''" for word in command)
    write(f'[a]\ntenant_uid = "{sandbox.tenant_uid}"\nhost = "{sandbox.base_url}"\ntoken_command = [{words}]\n')


def test_command_runs_again_after_401(write, sandbox, tmp_path):
    "All threads share one token. If the token is rejected, the token command runs again and the load continues."
    (tmp_path / "token").write_text("expired")
    script = tmp_path / "print_token.py"
    script.write_text(
        "import pathlib\nhere = pathlib.Path(__file__).parent\n"
        "(here / 'runs').open('a').write('x')\nprint((here / 'token').read_text())\n"
        f"(here / 'token').write_text({sandbox.token!r})\n"
    )
    configured(write, sandbox, [sys.executable, str(script)])

    with fg.Client.from_config("a") as client:
        assert not (tmp_path / "runs").exists()
        snapshot = fg.load_snapshot(client, False)

    assert len(snapshot.groups) == 8
    assert (tmp_path / "runs").read_text() == "xx"


def test_invalid_token_of_a_command(write, sandbox):
    "If the server rejects the token from a token command, the traceback of AuthError does not contain the token."
    configured(write, sandbox, ["echo", SECRET])

    with fg.Client.from_config("a") as client, pytest.raises(AuthError) as caught:
        client.check()

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_command_without_shell(write, sandbox):
    "A token command is split like a shell command, but variables, pipes, and wildcards have no effect."
    code = "import sys; print(*sys.argv[1:], sep=chr(43))"
    write(f'[a]\ntenant_uid = "t"\nhost = "stage"\ntoken_command = {shlex.join(python(code))!r}\n')
    assert find_tenant("a").token_command == tuple(python(code))

    assert run_token_command("a", [*python(code), "$HOME", "|", "cat;ls", "*"], None) == "$HOME+|+cat;ls+*"


def test_paths_in_a_command(write, home_folder, monkeypatch):
    "In a token command, `./` is the folder of `tenants.toml`, and `~/` is the user's home directory."
    script = home_folder / "print_token"
    script.write_text("#!/bin/sh\necho a-token\n")
    script.chmod(0o700)
    write('[a]\ntenant_uid = "t"\nhost = "stage"\ntoken_command = "./print_token"\n')
    assert find_tenant("a").token() == "a-token"

    monkeypatch.setenv("HOME", str(home_folder))
    write('[a]\ntenant_uid = "t"\nhost = "stage"\ntoken_command = "cat ~/secret"\n')
    assert find_tenant("a").token_command == ("cat", str(home_folder / "secret"))


@pytest.mark.parametrize(
    ("code", "exit_code", "fact"),
    [
        ("raise SystemExit(3)", 3, "exit code 3"),
        ("raise SystemExit('first\\nthe vault is locked\\n\\n')", 1, "exit code 1"),
        ("pass", 0, "nothing"),
        ("print('a'); print('b')", 0, "2 lines"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, "exit code -9"),
    ],
)
def test_failed_command(code, exit_code, fact):
    "The error for a failed token command contains the tenant, the command's first word, and the exit code."
    with pytest.raises(TokenCommandError) as caught:
        run_token_command("sport_no", python(code), None)

    error, first_word = caught.value, Path(sys.executable).name
    assert all(text in str(error) for text in ("sport_no", f"({first_word} ...)", fact))
    assert (error.tenant, error.command, error.exit_code) == ("sport_no", first_word, exit_code)


@pytest.mark.parametrize(
    ("output", "fact"),
    [
        ("t\u00f8ken", "ASCII"),
        ("\ufefftoken", "ASCII"),
        ("\x1b[0mtoken", "control"),
        ("to\x00ken", "control"),
        ("to\tken", "control"),
        ('"token"', "quotation mark"),
        ("'token'", "quotation mark"),
        ('{"token": "token"}', "quotation mark"),
        ("Bearer token", "Bearer"),
        ("bearer token", "Bearer"),
        ("Authorization: token", "space"),
    ],
)
def test_invalid_output(output, fact, write, sandbox):
    "If the output is not a token, the error of the first request names the tenant, the program, and the reason."
    configured(write, sandbox, python(f"print({output!r})"))

    with fg.Client.from_config("a") as client, pytest.raises(TokenCommandError) as caught:
        client.check()

    error = caught.value
    assert (error.tenant, error.command, error.exit_code) == ("a", Path(sys.executable).name, 0)
    assert fact in str(error) and "tenant a" in str(error)
    assert output not in str(error) and "token" not in str(error).replace("token_command", "").replace(
        "the token", ""
    )


@pytest.mark.parametrize(("words", "shown"), [(["true"], "(true)"), (["true", SECRET], "(true ...)")])
def test_command_without_arguments(words, shown):
    "Three dots after the program stand for arguments, so they are missing if there are none."
    with pytest.raises(TokenCommandError) as caught:
        run_token_command("a", words, None)

    assert shown in str(caught.value) and SECRET not in str(caught.value)


def test_missing_command():
    "If the token command does not exist, the error contains the command and the reason."
    with pytest.raises(TokenCommandError, match=r"\(no-such-vault \.\.\.\).* No such file") as caught:
        run_token_command("sport_no", ["no-such-vault", "read"], None)

    assert caught.value.exit_code is None


def test_command_timeout(monkeypatch):
    "If a token command does not end, it is killed, even if a child process keeps its output pipe open."
    monkeypatch.setattr(token_command, "TOKEN_COMMAND_TIMEOUT", 0.5)
    hangs = "import subprocess, time; subprocess.Popen(['sleep', '5']); time.sleep(60)"

    with pytest.raises(TokenCommandError, match=r"0\.5 s"):
        run_token_command("sport_no", python(hangs), None)


@pytest.mark.parametrize(
    "output",
    [
        f"cannot use {SECRET}",
        f"Authorization: Bearer {SECRET[:12]}",
        f"password={SECRET[:8]}",
        f"retrying with {SECRET[:25]}...",
        "asked as kari.nordmann@example.org",
        "kari called +47 900 00 000",
        "+ curl -H tok_SECRET_123",
    ],
)
def test_output_of_a_failed_command(output, caplog):
    "If a token command fails, neither the error nor the log contains the command's output."
    caplog.set_level(logging.DEBUG, "frgroups")
    code = f"import sys; print({SECRET!r}); print({output!r}, file=sys.stderr); sys.exit(1)"

    with pytest.raises(TokenCommandError) as caught:
        run_token_command("sport_no", [*python(code), f"--key={SECRET}"], None)

    error = caught.value
    everything = "".join([*traceback.format_exception(error), repr(vars(error)), caplog.text])
    shown = everything.replace(code, "")  # The traceback of the test contains its code.
    assert not any(part in shown for part in (SECRET, SECRET[:8], "kari", "900 00", "tok_SECRET", "retrying"))
    assert error.__cause__ is None and error.__context__ is None


def test_token_is_not_logged(write, sandbox, caplog):
    "The DEBUG log of a load contains an event for the token command, but does not contain the token."
    for name in ("frgroups", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    configured(write, sandbox, ["echo", sandbox.token])

    with fg.Client.from_config("a") as client:
        fg.load_snapshot(client, False)

    assert "token_requested" in [getattr(record, "event", "") for record in caplog.records]
    assert sandbox.token not in "\n".join(repr(vars(record)) for record in caplog.records)
