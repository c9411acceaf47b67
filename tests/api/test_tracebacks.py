"""Tests that no traceback contains a token, a password, a request, or a response, even with local variables."""

import gzip
import socket
import traceback

import pytest

import frgroups as fg
from frgroups.api.retry import RetryPolicy
from frgroups.errors import ApiError, FrgroupsError
from frgroups.internals.paths import home
from frgroups.internals.redaction import Hidden, HiddenBytes, HiddenText, without_local_variables
from tests.api.service import Service, chunked, cut, head, whole

ONCE = RetryPolicy(max_attempts=2, base=0.001)
TOKEN, PASSWORD, MARKER, CUSTOMER = "tok-4711-secret", "s3cret-w0rd", "Kari-Nordmann", "cust-4711"
SECRETS = (TOKEN, PASSWORD, MARKER, CUSTOMER)
BODY = b'{"items": "%s", "x": 1}' % MARKER.encode()


def read(client):
    client.read_group_page()


def write(client):
    client.update_group_customers("vip", add=[CUSTOMER])


def create(client):
    client.create_group(MARKER.lower(), "vip")


def iterate(client):
    list(client.iter_group_customers("vip"))


def caught(base_url, call, token=TOKEN, **options):
    """Return the exception of a call."""
    try:
        with fg.Client("t-1", token, base_url=base_url, writable=True, retry=ONCE, timeout=2, **options) as client:
            call(client)
    except BaseException as error:
        return error
    raise AssertionError("The call did not fail.")


def chain(error):
    """Return an exception and all exceptions that it is chained to, including suppressed exceptions."""
    found, waiting = [], [error]
    while waiting:
        error = waiting.pop()
        if error is not None and error not in found:
            found.append(error)
            waiting += [error.__cause__, error.__context__]
    return found


def shown_text(error, skip="tests"):
    """Return all text of an exception and its chain with local variables, except for the variables of the tests."""
    texts = []
    for chained in chain(error):
        frames = chained.__traceback__
        while frames is not None and skip in frames.tb_frame.f_code.co_filename:
            frames = frames.tb_next
        report = traceback.TracebackException(type(chained), chained, frames, capture_locals=True)
        texts += [*report.format(), repr(chained), repr(vars(chained)), *map(repr, chained.args)]
    return "\n".join(texts)


ANSWERS = {
    "lost": cut(b""),
    "HTML": whole(b"<html>" + BODY),
    "other JSON": whole(BODY),
    "truncated JSON": whole(BODY[:-3]),
    "truncated gzip": whole(gzip.compress(BODY)[:-9], "Content-Encoding: gzip"),
    "plain text as gzip": whole(BODY, "Content-Encoding: gzip"),
    "unknown encoding": whole(BODY, "Content-Encoding: br"),
    "invalid chunk": cut(chunked(BODY)[:-3] + BODY),
    "invalid status line": cut(BODY + b"\r\n\r\n"),
    "invalid header": cut(head(MARKER) + BODY),
    "400": whole(BODY, status="400 Bad Request"),
    "401": whole(BODY, status="401 Unauthorized"),
    "404": whole(BODY, status="404 Not Found"),
    "429": whole(BODY, "Retry-After: 0", status="429 Too Many Requests"),
    "500": whole(BODY, status=f"500 {MARKER}"),
    "400 with an array": whole(b'[{"name": "%s"}]' % MARKER.encode(), status="400 Bad Request"),
    "redirect": whole(BODY, f"Location: http://{MARKER}:{MARKER}@127.0.0.1/?{MARKER}", status="302 Found"),
    "invalid redirect": whole(BODY, f"Location: http://[{MARKER}", status="302 Found"),
}


# A write ignores the body of a JSON response with status 200. Every other response must raise an error.
SUCCESSFUL_WRITES = {"other JSON", "truncated JSON"}


@pytest.mark.parametrize("call", [read, iterate, write, create])
@pytest.mark.parametrize("answer", ANSWERS)
def test_responses(answer, call):
    "An exception, its chain, and its local variables do not contain the token, the request, or the response."
    with Service(ANSWERS[answer]) as service:
        if call is write and answer in SUCCESSFUL_WRITES:
            with pytest.raises(AssertionError, match="did not fail"):
                caught(service.url, call)
            return
        error = caught(service.url, call)

    text = shown_text(error)
    assert isinstance(error, ApiError) and len(chain(error)) == 1
    assert not any(secret in text for secret in SECRETS)
    assert "in send\n" in text  # The traceback still contains the frames.


@pytest.mark.parametrize("token", [lambda: TOKEN, lambda: f"{TOKEN}\n{TOKEN}", lambda: 1 / 0, lambda: [TOKEN][1]])
def test_token_function(token):
    "The traceback does not contain the token that a function returns."
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v2"
    error = caught(url, read, token)

    assert TOKEN not in shown_text(error)
    assert isinstance(error, FrgroupsError | ZeroDivisionError | IndexError)


@pytest.mark.parametrize(
    "token", [f"{TOKEN}\n{TOKEN}", f"{TOKEN}æ", TOKEN.encode(), [TOKEN], {"token": TOKEN}, ""], ids=repr
)
def test_invalid_token(token):
    "The error for an invalid token does not contain the token."
    error = caught("http://127.0.0.1:9/v2", read, token)

    assert isinstance(error, fg.errors.InputError) and TOKEN not in shown_text(error)


@pytest.mark.parametrize(
    "base_url",
    [
        f"https://kari:{PASSWORD}@shop.test/v2",
        f"https://kari:a/{PASSWORD}@shop.test/v2",
        f"ftp://kari:{PASSWORD}@shop.test",
        f"http://shop.test/v2?token={TOKEN}",
        f"nowhere?token={TOKEN}",
        f"https://[{PASSWORD}@x",
        f"https://[x?{PASSWORD}",
    ],
)
def test_base_url(base_url, monkeypatch):
    "The error for an invalid base URL does not contain a password or a token in the URL."
    monkeypatch.setenv("FRGROUPS_TENANT_UID", "t-1")
    monkeypatch.setenv("FRGROUPS_TOKEN", TOKEN)
    monkeypatch.setenv("FRGROUPS_BASE_URL", base_url)
    with pytest.raises(fg.errors.InputError) as from_env:
        fg.Client.from_env()

    for error in (caught(base_url, read), from_env.value):
        assert isinstance(error, fg.errors.InputError)
        assert not any(secret in shown_text(error) for secret in SECRETS)


@pytest.mark.parametrize("port", ["9", "port"])
@pytest.mark.parametrize("scheme", ["http", "https", "foo"])
def test_proxy(scheme, port, monkeypatch):
    "The error for an invalid or unreachable proxy does not contain the password of the proxy."
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://kari:{PASSWORD}@127.0.0.1:{port}")
    error = caught("https://shop.test/v2", read)

    assert isinstance(error, FrgroupsError) and len(chain(error)) == 1
    assert not any(secret in shown_text(error) for secret in SECRETS)


def test_untrusted_certificate(secure):
    "An error about a certificate never contains the token."
    for call in (read, write):
        error = caught(secure.url, call)
        assert error.reason == "certificate" and len(chain(error)) == 1
        assert not any(secret in shown_text(error) for secret in SECRETS)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_other_exceptions(interrupt, monkeypatch):
    "Other exceptions, such as an interruption, are raised unchanged but without local variables."

    def stop(*args, **kwargs):
        raise interrupt

    monkeypatch.setattr(socket.socket, "recv", stop)
    with Service(whole(BODY)) as service:
        error = caught(service.url, write)

    assert isinstance(error, interrupt)
    assert not any(secret in shown_text(error) for secret in SECRETS)
    assert "_exchange" in shown_text(error)


def test_tenants_file():
    "No error contains a token that was written to tenants.toml or passed to a command."
    table = 'tenant_uid = "t-1"\nhost = "stage"\n'
    contents = [
        f'[shop]\n{table}token = "{TOKEN}"\n',
        f'[shop]\n{table}token_command = "echo {TOKEN} \'"\n',
        f'[shop]\n{table}token_command = ["false", "{TOKEN}"]\n',
        f'[shop]\n{table}token_command = ["printf", "{TOKEN}\\\\n{TOKEN}"]\n',
        f'[shop]\n{table}token_command = ["/missing", "{TOKEN}"]\n',
        f'token = "{TOKEN}"\n',
        f'[shop]\n{table}token_command = "{TOKEN}\n',
    ]
    for content in contents:
        (home() / "tenants.toml").write_text(content)
        with pytest.raises(FrgroupsError) as failed:
            fg.Client.from_config("shop").read_group_page()

        assert TOKEN not in shown_text(failed.value)


def test_objects(monkeypatch):
    "The reprs and attributes of a client and its parts do not contain the token or the password."
    monkeypatch.setenv("HTTPS_PROXY", f"http://kari:{PASSWORD}@127.0.0.1:9")
    with fg.Client("t-1", TOKEN, base_url="https://shop.test/v2") as client:
        waiting, seen, texts = [client], set(), []
        while waiting:
            part = waiting.pop()
            if id(part) in seen or not type(part).__module__.startswith(("frgroups", "httpx", "httpcore")):
                continue
            seen.add(id(part))
            texts.append(repr(part))
            attributes = getattr(part, "__dict__", {})
            texts.append(repr(attributes))
            waiting += attributes.values()

    assert len(texts) > 10
    assert not any(secret in "".join(texts) for secret in (*SECRETS, "a2FyaT"))


def test_without_local_variables():
    "The local variables of an exception and its chain are removed. An exception of frgroups also loses its chain."

    def fail(kind):
        secret = TOKEN
        try:
            raise ValueError(secret.upper())
        except ValueError as error:
            raise kind("problem") from error

    for kind in (RuntimeError, FrgroupsError):
        with pytest.raises(kind) as failed, without_local_variables():
            fail(kind)

        assert len(chain(failed.value)) == (1 if kind is FrgroupsError else 2)
        for chained in chain(failed.value):
            frames = [frame for frame, _ in traceback.walk_tb(chained.__traceback__)]
            assert [frame.f_locals for frame in frames if frame.f_code.co_name == "fail"] == [{}]


def test_exceptions_of_the_caller():
    "Exceptions that the caller was handling before the block keep their variables, at any depth of the chain."

    def fail_in_caller():
        visible = "x"
        try:
            raise KeyError(visible)
        except KeyError:
            raise ValueError(visible) from ExceptionGroup("problems", [OSError(visible)])

    def fail_in_block():
        secret = TOKEN
        raise RuntimeError(secret.upper())

    try:
        fail_in_caller()
    except ValueError as earlier:
        with pytest.raises(RuntimeError) as failed, without_local_variables():
            fail_in_block()
        with pytest.raises(ValueError, match="x"), without_local_variables():
            fail_in_caller()  # The new exception is chained to the earlier one.
        handled = chain(earlier)

    assert failed.value.__context__ is handled[0] and len(handled) == 3
    for error, name, variables in [
        (failed.value, "fail_in_block", {}),
        (handled[0], "fail_in_caller", {"visible": "x"}),
    ]:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        assert [frame.f_locals for frame in frames if frame.f_code.co_name == name] == [variables]


HIDDEN = [HiddenText("secret"), HiddenBytes(b"secret"), Hidden("secret"), Hidden(["secret"])]


@pytest.mark.parametrize("value", HIDDEN)
def test_hidden_values(value):
    "The repr of a hidden value, alone or in a container, does not contain the value."
    assert "secret" not in f"{value!r} {[value]} { {1: value} }"
