"""tenants.toml: where each tenant is, and the command that tells its token, which is nowhere to be seen."""

import logging
import os
import shlex
import sys
import traceback
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.api import tenants_config
from frgroups.api.tenants_config import find_tenant, read_tenants, run_token_command
from frgroups.errors import AuthError, InputError, TokenCommandError

SECRET = "eyJhbGciOiJIUzI1NiJ9.planted-token.0123456789"
RIGHT = '{tenant_uid = "t-1", host = "stage", token_command = ["echo", "x"]}'


@pytest.fixture
def write(home_folder):
    """Writes the file of the home."""

    def written(text):
        path = home_folder / "tenants.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return written


def python(code):
    """A command that runs a line of Python."""
    return [sys.executable, "-c", code]


def refusal(name="a"):
    """What is said of a tenant that cannot be had."""
    with pytest.raises(InputError) as caught:
        find_tenant(name)
    return str(caught.value)


# The file.


def test_a_tenant_by_its_name(write):
    "A table gives a client of its tenant and host with its own settings; an argument goes before them."
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


def test_another_file_may_be_named(tmp_path):
    "path= is read in the place of the home's."
    path = tmp_path / "mine.toml"
    path.write_text(f"a = {RIGHT}")

    with fg.Client.from_config("a", path=path) as client:
        assert client.tenant_uid == "t-1"


def test_no_file_says_where_and_what_to_write(home_folder):
    "The error names the place, and what it shows can be pasted there."
    told = refusal()

    assert str(home_folder / "tenants.toml") in told
    (home_folder / "tenants.toml").write_text(
        "".join(told.partition("\n\n")[2:]).replace("the uid of the tenant", "u")
    )
    assert find_tenant("sport_no").base_url == fg.STAGE


def test_an_unknown_name_comes_with_the_close_ones(write):
    "A mistyped name is told with those it may have been; a uid in its place, with its name."
    write(f"sport_no = {RIGHT}\nother = {RIGHT.replace('t-1', 't-2')}")

    assert "Did you mean 'sport_no'?" in refusal("sport_on") and "other and sport_no" in refusal("sport_on")
    assert refusal("t-1").startswith("'t-1' is a tenant_uid. Its name in ") and "'sport_no'" in refusal("t-1")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('{tenant_uid = "t", host = "stage"}', "missing required field `token_command`"),
        ("{}", "missing required field `tenant_uid`"),
        (RIGHT.replace("host", "hots"), "the key 'hots' is unknown. Did you mean 'host'?"),
        (RIGHT.replace("host", "zzzzz"), "The keys are tenant_uid, host"),
        (RIGHT.replace("token_command", "token_cmd"), "Did you mean 'token_command'?"),
        (RIGHT.replace('"t-1"', "7"), "got `int` - at `tenant_uid`"),
        (RIGHT.replace('"t-1"', '"a/b"'), "is not a tenant uid that the API takes"),
        (RIGHT.replace("stage", "stag"), "is not a base URL"),
        (RIGHT.replace("stage", "http://api.example/v2"), "unencrypted"),
        (RIGHT.replace('["echo", "x"]', "7"), "got `int` - at `token_command`"),
        (RIGHT.replace('["echo", "x"]', '["echo", 7]'), "got `int` - at `token_command[1]`"),
        (RIGHT.replace('["echo", "x"]', "[]"), "it is empty"),
        (RIGHT.replace('["echo", "x"]', '"  "'), "it is empty"),
        (RIGHT.replace('["echo", "x"]', '"echo \'x"'), "cannot be split into words"),
        (RIGHT.replace("}", ", workers = 0}"), "`workers` must be a positive integer"),
        (RIGHT.replace("}", ", workers = 2.5}"), "`workers` must be a positive integer"),
        (RIGHT.replace("}", ", page_size = true}"), "`page_size` must be a positive integer"),
        (RIGHT.replace("}", ", timeout = nan}"), "`timeout` must be a positive number"),
        (RIGHT.replace("}", ', requests_per_second = "5"}'), "`requests_per_second` must be a positive number"),
    ],
)
def test_a_wrong_table_is_told(write, table, told):
    "What is wrong is said with the table and the file, and other tenants can be used all the same."
    path = write(f"a = {table}\nb = {RIGHT.replace('t-1', 't-9')}")

    assert refusal().startswith(f"[a] of {path}: ") and told in refusal()
    assert find_tenant("b").tenant_uid == "t-9"


@pytest.mark.parametrize("key", ["token", "access_token", "password", "client_secret", "api_key", "bearer"])
def test_a_token_in_the_file_is_refused(write, key):
    "Whatever it is called, it is refused with the reason, and not repeated."
    write("a = " + RIGHT.replace("}", f", {key} = {SECRET!r}}}"))
    told = refusal()

    assert f"'{key}' is not permitted" in told and "everyone who finds it" in told
    assert SECRET not in told

    write(f"{key} = '{SECRET}'\na = {RIGHT}")
    assert "everyone who finds it" in refusal() and SECRET not in refusal()


def test_two_names_of_one_tenant_are_refused(write):
    "The same uid on the same host is one tenant; on another host it is another."
    production = RIGHT.replace("stage", "production")
    url = RIGHT.replace("stage", f"{fg.STAGE}/")
    write(f"a = {RIGHT}\nb = {production}\nc = {url}")

    assert "[c] is the same tenant" in refusal("a")
    assert "[a] is the same tenant" in refusal("c")
    assert find_tenant("b").base_url == fg.PRODUCTION


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a\n", "is not valid TOML: "),
        ("[a]\n[a]\n", "is not valid TOML: "),
        ("tenant_uid = 't'", "is outside of any table"),
        (f"[[a]]\nb = {RIGHT}", "is outside of any table"),
        (f'"" = {RIGHT}', "is not a valid name for a tenant"),
        (f"--all = {RIGHT}", "is not a valid name for a tenant"),
        (f"[a.b]\nc = {RIGHT}", 'A dot in a name needs quotes, ["sport.no"]'),
    ],
)
def test_a_file_that_is_none_is_told(write, text, told):
    "What cannot be read as tables of tenants says so, with the place."
    path = write(text)

    assert told in refusal() and str(path) in refusal()


def test_a_file_in_another_encoding_is_told(write):
    "Bytes that are not UTF-8 are an error with an example, not a traceback."
    write("").write_bytes(b"\xff\xfe")

    assert "is not UTF-8" in refusal()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_file_that_others_may_write_is_refused(write, caplog):
    "Its commands run as us: everybody may read it, the group's pen is told of, everybody's is refused."
    path = write(f"a = {RIGHT}")

    path.chmod(0o644)
    assert find_tenant("a") and caplog.records == []
    path.chmod(0o664)
    assert find_tenant("a") and [record.event for record in caplog.records] == ["config_writable"]
    path.chmod(0o666)
    assert f"chmod go-w {path}" in refusal()


def test_nothing_of_a_command_is_in_a_repr(write):
    "Somebody will put a password into it."
    write("a = " + RIGHT.replace('"x"', repr(SECRET)))

    assert find_tenant("a").token() == SECRET
    assert SECRET not in repr(find_tenant("a")) + repr(read_tenants())


# The command.


@pytest.fixture(scope="module")
def sandbox():
    with fg.Sandbox(customers=200, groups=8) as running:
        yield running


def configured(write, sandbox, command):
    """A tenant named a, that of the sandbox, with this command."""
    words = ", ".join(f"'''{word}'''" for word in command)
    write(f'[a]\ntenant_uid = "{sandbox.tenant_uid}"\nhost = "{sandbox.base_url}"\ntoken_command = [{words}]\n')


def test_the_command_is_run_once_and_again_after_a_401(write, sandbox, tmp_path):
    "All threads share one token; when it is refused the command is asked once more, and the load goes on."
    (tmp_path / "token").write_text("expired")
    script = tmp_path / "tell.py"
    script.write_text(
        "import pathlib\nhere = pathlib.Path(__file__).parent\n"
        "(here / 'asked').open('a').write('x')\nprint((here / 'token').read_text())\n"
        f"(here / 'token').write_text({sandbox.token!r})\n"
    )
    configured(write, sandbox, [sys.executable, str(script)])

    with fg.Client.from_config("a") as client:
        assert not (tmp_path / "asked").exists()
        snapshot = fg.load_snapshot(client, False)

    assert len(snapshot.groups) == 8
    assert (tmp_path / "asked").read_text() == "xx"


def test_a_token_that_stays_refused_is_an_error(write, sandbox):
    "The service's 401 comes through, without the token."
    configured(write, sandbox, ["echo", SECRET])

    with fg.Client.from_config("a") as client, pytest.raises(AuthError) as caught:
        client.check()

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_text_is_split_as_a_shell_would_and_run_without_one(write, sandbox):
    "Quotes hold words together; nothing is expanded, piped or chained."
    code = "import sys; print(sys.argv[1:])"
    write(f'[a]\ntenant_uid = "t"\nhost = "stage"\ntoken_command = {shlex.join(python(code))!r}\n')
    assert find_tenant("a").token_command == tuple(python(code))

    assert (
        run_token_command("a", [*python(code), "$HOME", "|", "cat; ls", "*"], None)
        == "['$HOME', '|', 'cat; ls', '*']"
    )


def test_a_command_is_run_beside_its_file_and_knows_the_home_of_its_user(write, home_folder, monkeypatch):
    "./tell is the one beside tenants.toml wherever you are, and ~/ is your home."
    script = home_folder / "tell"
    script.write_text("#!/bin/sh\necho from-beside\n")
    script.chmod(0o700)
    write('[a]\ntenant_uid = "t"\nhost = "stage"\ntoken_command = "./tell"\n')
    assert find_tenant("a").token() == "from-beside"

    monkeypatch.setenv("HOME", str(home_folder))
    write('[a]\ntenant_uid = "t"\nhost = "stage"\ntoken_command = "cat ~/secret"\n')
    assert find_tenant("a").token_command == ("cat", str(home_folder / "secret"))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit(3)", "ended with exit code 3. Run it in a terminal"),
        (
            "raise SystemExit('first\\nthe vault is sealed\\n\\n')",
            "exit code 1. Run it in a terminal",
        ),
        ("pass", "printed nothing. Run it"),
        ("print('a'); print('b')", "printed 2 lines; the token must be the only line"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with exit code -9"),
    ],
)
def test_a_command_that_fails_is_told(code, told):
    "The error names tenant, first word and exit code, and carries them as facts."
    with pytest.raises(TokenCommandError) as caught:
        run_token_command("sport_no", python(code), None)

    message, first = str(caught.value), Path(sys.executable).name
    assert message.startswith(f"The token_command of sport_no ({first} ...) ") and told in message
    assert (caught.value.tenant, caught.value.command) == ("sport_no", first)


def test_a_command_that_is_not_there_is_told():
    "No such file is no traceback."
    with pytest.raises(TokenCommandError, match=r"\(no-such-vault \.\.\.\) could not be started: No such file"):
        run_token_command("sport_no", ["no-such-vault", "read"], None)


def test_a_command_that_hangs_is_stopped(monkeypatch):
    "After its time it is killed, also when a child of its own holds the pipe open."
    monkeypatch.setattr(tenants_config, "TOKEN_COMMAND_TIMEOUT", 0.5)
    hangs = "import subprocess, time; subprocess.Popen(['sleep', '5']); time.sleep(60)"

    with pytest.raises(TokenCommandError, match=r"did not end within 0\.5 s and was stopped"):
        run_token_command("sport_no", python(hangs), None)


@pytest.mark.parametrize(
    "said",
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
def test_what_a_failing_command_says_is_not_repeated(said, caplog):
    "Neither the token on stdout, nor a word of what stands on stderr, is in error, causes or log."
    caplog.set_level(logging.DEBUG, "frgroups")
    code = f"import sys; print({SECRET!r}); print({said!r}, file=sys.stderr); sys.exit(1)"

    with pytest.raises(TokenCommandError) as caught:
        run_token_command("sport_no", [*python(code), f"--key={SECRET}"], None)

    error = caught.value
    everything = "".join([*traceback.format_exception(error), repr(vars(error)), caplog.text])
    shown = everything.replace(code, "")  # pytest shows no line of this file; the command's words are not ours.
    assert not any(part in shown for part in (SECRET, SECRET[:8], "kari", "900 00", "tok_SECRET", "retrying"))
    assert error.__cause__ is None and error.__context__ is None


def test_a_token_is_never_logged(write, sandbox, caplog):
    "A load at DEBUG tells that the token was asked for, and not what it is."
    for name in ("frgroups", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    configured(write, sandbox, ["echo", sandbox.token])

    with fg.Client.from_config("a") as client:
        fg.load_snapshot(client, False)

    assert "token_requested" in [getattr(record, "event", "") for record in caplog.records]
    assert sandbox.token not in "\n".join(repr(vars(record)) for record in caplog.records)
