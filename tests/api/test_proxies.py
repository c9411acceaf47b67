"""Tests for the proxy settings in the environment variables."""

import traceback
from urllib.parse import quote
from urllib.request import getproxies_environment

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frgroups as fg
from frgroups.api.proxies import select_proxy
from frgroups.errors import InputError

VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "Https_Proxy"]
SECRETS = ("kari", "s3cret", "w0rd")
INVALID = [
    "socks://proxy.test:1080",
    "socks4://proxy.test:1080",
    "foo://bar",
    "foo://kari:s3cret@bar:3128",
    "ftp://proxy.test:3128",
    "://proxy.test:3128",
    "ka ri://proxy.test:3128",
    "http:/proxy.test:3128",
    "http:proxy.test:3128",
    "http://",
    "http://:3128",
    "http://proxy.test",
    "http://proxy.test/",
    "http://kari:s3cret@proxy.test",
    "proxy.test",
    "http://proxy.test:",
    "http://proxy.test:0",
    "http://proxy.test:65536",
    "http://proxy.test:99999999999999999999",
    "http://proxy.test:-1",
    "http://proxy.test:3128x",
    "http://proxy.test:٣١٢٨",
    "http://proxy.test:3128:3128",
    "http://proxy.test:3128/path",
    "http://proxy.test:3128?query",
    "http://proxy.test:3128#fragment",
    "http://[::1:3128",
    "http://::1:3128",
    "http://[proxy.test]:3128",
    "http://[::1]",
    "http://pro xy.test:3128",
    "http://pro\u202exy.test:3128",
    "http://proxy..test:3128",
    f"http://{'a' * 64}.test:3128",
    "http://proxy%2etest:3128",
    "'http://proxy.test:3128'",
    '"http://proxy.test:3128"',
    "http://kari:s3cret@256.256.256.256:80",
    "http://999.1.1.1:3128",
    "http://01.02.03.04:3128",
    "http://1.2.3.0x4:99999",
    "http:10.0.0.1:3128",
    "https:kari:s3cret@proxy.test:3128",
    "http:///proxy.test:3128",
    "http://kari:s3cret#w0rd@proxy.test:3128",
    "http://kari:s3cret@w0rd@proxy.test:3128",
    "http://kari:s3cret/w0rd@proxy.test:3128",
    "http://kari:s3cret?w0rd@proxy.test:3128",
    "http://kari:s3cret\\w0rd@proxy.test:3128",
    "http://kari:s3cret w0rd@proxy.test:3128",
    "http://kari:s3cret%w0rd@proxy.test:3128",
    "http://kari:s3cretæw0rd@proxy.test:3128",
    "http://kari:s3cret\x01w0rd@proxy.test:3128",
    "http://kari:s3cret://w0rd@proxy.test:3128",
    "http://kari%3A:s3cret@proxy.test:3128",
    "http://kari:s3cret%0D%0Aw0rd@proxy.test:3128",
    "http://kari%7F:s3cret@proxy.test:3128",
    "http://kari:s3cret@",
    "http://kari:s3cret@:3128",
    "http://kari:s3cret@proxy.test:port",
    "kari:s3cret",
]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """Remove the proxy variables of the machine."""
    for key in ("http", "https", "all", "no"):
        for name in (f"{key}_proxy", f"{key.upper()}_PROXY"):
            monkeypatch.delenv(name, raising=False)


def find(host="shop.test", port=None):
    return select_proxy("https", host, port).proxy


def shown_text(error):
    """Return the text of an error and of its traceback with local variables, below the frames of the tests."""
    frames = error.__traceback__
    while "tests" in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    report = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    return str(error) + "".join(report.format())


@pytest.mark.parametrize("value", INVALID)
def test_invalid_proxy(value):
    "An invalid proxy raises InputError with the name of the variable, and without the user name and the password."
    for name in VARIABLES:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError) as caught:
            patch.setenv(name, value)
            find()

        assert name in str(caught.value) and "http://HOST:PORT" in str(caught.value)
        assert not any(secret in str(caught.value) for secret in SECRETS)


@pytest.mark.parametrize(
    "value", [value for value in INVALID if "s3cret" in value] + ["socks5://kari:s3cret@proxy.test:1080"]
)
def test_client_with_invalid_proxy(value, monkeypatch):
    "A client with an invalid proxy is not created, and the traceback does not contain the password."
    monkeypatch.setenv("HTTPS_PROXY", value)

    with pytest.raises(InputError, match="HTTPS_PROXY") as caught:
        fg.Client("t-1", "token", base_url="https://shop.test/v2")

    assert not any(secret in shown_text(caught.value) for secret in SECRETS)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("http:10.0.0.1:3128", "no //"),
        ("HTTPS:proxy.test:3128", "no //"),
        ("http:/proxy.test:3128", "no //"),
        ("http://h:80:80", "more than one colon"),
        ("h:80:80", "more than one colon"),
        ("http://::1:3128", "in brackets"),
        ("http://2001:db8:0:0:0:0:0:1:3128", "in brackets"),
        ("http:///proxy.test:3128", "no host"),
        ("http://256.1.1.1:3128", "IP address"),
    ],
)
def test_cause_of_invalid_proxy(value, part, monkeypatch):
    "The error states which part of the proxy URL is wrong."
    monkeypatch.setenv("HTTPS_PROXY", value)

    with pytest.raises(InputError) as caught:
        find()

    assert part in str(caught.value)


@given(st.from_regex(r"(http://)?([0-9a-z.:_\[\]-]|xn--){1,20}:\d{1,5}", fullmatch=True))
def test_accepted_proxy_can_be_used(value):
    "A client can be created with every proxy that is accepted. No error of the HTTP library is raised."
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", value)
        try:
            proxy = select_proxy("http", "shop.test", 80).proxy
        except InputError:
            return
    httpx.Client(proxy=httpx.Proxy(proxy.url), verify=False).close()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_without_socksio(scheme, monkeypatch):
    "If the package for SOCKS proxies is not installed, the error names the variable and the package."
    monkeypatch.setattr("frgroups.api.proxies.find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://kari:s3cret@proxy.test:1080")

    with pytest.raises(InputError, match=r"ALL_PROXY.*socksio") as caught:
        find()

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        (" http://proxy.test:3128/ ", "http://proxy.test:3128"),
        ("proxy.test:3128", "http://proxy.test:3128"),
        ("HTTP://Proxy.Test:3128", "http://Proxy.Test:3128"),
        ("https://proxy.test:443", "https://proxy.test:443"),
        ("http://@proxy.test:3128", "http://proxy.test:3128"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("http://my_proxy:3128", "http://my_proxy:3128"),
    ],
)
def test_valid_proxy(value, url, monkeypatch):
    "A valid proxy is used for https. A proxy without a scheme uses http."
    for name in ("all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, value)
        proxy = find()

        assert (proxy.variable, proxy.url, proxy.user, proxy.password) == (name, url, None, None)
    with fg.Client("t-1", "token", base_url="https://shop.test/v2", verify=False):
        pass


@given(user=st.binary(min_size=1), password=st.binary())
def test_credentials(user, password):
    "A percent-encoded user name and password are decoded exactly unless HTTP forbids a byte. Their repr is hidden."
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://{quote(user, '')}:{quote(password, '')}@proxy.test:3128")
        if b":" in user or any(byte < 0x20 or byte == 0x7F for byte in user + password):
            with pytest.raises(InputError):
                find()
            return
        proxy = find()

    assert (bytes(proxy.user), bytes(proxy.password)) == (user, password)
    assert repr(proxy).endswith("user=…, password=…)")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_value(value):
    "Any value results in a proxy with a valid port, in no proxy, or in an InputError."
    for name in ("HTTPS_PROXY", "NO_PROXY"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ALL_PROXY", "http://proxy.test:3128")
            patch.setenv(name, value)
            try:
                proxy = find()
            except InputError as error:
                assert name in str(error)
            else:
                assert proxy is None or 0 < proxy.port < 65536


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1"},
        {"HTTPS_PROXY": "http://a:1", "https_proxy": ""},
        {"HTTPS_PROXY": "", "ALL_PROXY": "http://a:1"},
        {"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"},
        {"HTTP_PROXY": "foo://", "REQUEST_METHOD": "GET"},
        {"https_Proxy": "http://a:1"},
        {"HTTPS_PROXY": "http://a:1", "all_proxy": "http://b:1"},
        {"HTTPS_PROXY": "http://a:1", "https_proxy": "", "ALL_PROXY": "http://c:1"},
        {"ALL_PROXY": "http://c:1", "all_proxy": ""},
        {"MY_HTTPS_PROXY": "foo://", "FTP_PROXY": "foo://", "HTTPS_PROXY_X": "foo://", "PROXY": "foo://"},
    ],
)
def test_precedence(environment, monkeypatch):
    "The proxy variables have the same precedence as in the standard library."
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    standard = getproxies_environment()
    proxy = find()

    assert (proxy and proxy.url) == (standard.get("https") or standard.get("all"))


MATCHING = {
    "shop.test": ["*", "shop.test", ".test", "test", ".shop.test", "*.test", "*.shop.test", "SHOP.test.", "sh*.test"],
    "api.shop.test": ["shop.test", ".shop.test", "*.shop.test", "a, shop.test", "a shop.test", "api.*", "*"],
    "shop": ["<local>", "shop", "shop:443", "https://shop", "all://shop:443"],
    "10.1.2.3": ["10.1.2.3", "10.0.0.0/8", "10.1/16", "10.1.2.3/32", "10.1.2.3:443", "10.*"],
    "2001:db8::7": ["2001:db8::7", "[2001:db8::7]", "2001:db8::/32", "[2001:db8::]/32", "[2001:db8::7]:443", "::/0"],
}
OTHER = {
    "shop.test": ["myshop.test", "op.test", "shop.test.no", "shop.test:444", "http://shop.test", "[::1]", "::1", ""],
    "10.1.2.3": ["10.1.2.30", "10.2.0.0/16", "169.254/16", "::ffff:0:0/96", "1.2.3", "<local>"],
    "2001:db8::7": ["2001:db8::70", "[2001:db8::7]:80", "fe80::/10", "<local>"],
}
CASES = [(host, entry, True) for host, entries in MATCHING.items() for entry in entries]
CASES += [(host, entry, False) for host, entries in OTHER.items() for entry in entries]


@pytest.mark.parametrize(("host", "entry", "is_direct"), CASES)
def test_no_proxy(host, entry, is_direct, monkeypatch):
    "An entry of NO_PROXY is a host name that includes subdomains, a pattern, an address, or a network."
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, entry)

        assert (find(host) is None) is is_direct


@pytest.mark.parametrize(
    "entry",
    [
        *("[::1", "::1]", "[shop.test]", "10.0.0.0/99", "fe80::/200", "shop.test/path", "shop.test:0", "http://["),
        *("://shop.test", "kari:s3cret@shop.test", "a#b", "a?b", "shop.test:port", "a:99999"),
        *("shop.test:443:443", "[::1]:99999", "[::1]:0", "[::1]:"),
        *("h/path?x=s3cret", "h#s3cret", "https://h/s3cret", "h\\s3cret", "h;s3cret", "h=s3cret", "h%s3cret"),
        *(
            "kari:s3cret",
            "http:kari:s3cret",
            "kari:s3cret@",
            "http://kari:s3cret@",
            "kari@",
            "s3cret@:80",
            "[s3cret]",
        ),
        *("//kari:s3cret@h", "kari:s3cret@[::1]", "kari:s3cret@10.0.0.1", "kari:1,[s3cret],2@h", "kari:s3cret:80"),
        *("10.0.0.1-20", "10.0.0.1-10.0.0.20", "10.0.0-9.*", "10.0.0.256", "10.0.0.1.5", "10.0.0.1-20:80"),
    ],
)
@pytest.mark.parametrize("proxy", ["ALL_PROXY", "HTTP_PROXY"])
def test_invalid_no_proxy(entry, proxy, monkeypatch):
    "If a proxy is set, an invalid entry of NO_PROXY raises InputError with the position of the entry."
    monkeypatch.setenv(proxy, "http://proxy.test:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, f"localhost,{entry},*")

        position = 3 if "," in entry else 2
        with pytest.raises(InputError, match=rf"{name} .*entry {position}\b") as caught:
            find()

        assert "s3cret" not in str(caught.value) and "kari" not in str(caught.value)


@pytest.mark.parametrize("value", ["kari:s3cret@", "http://kari:s3cret@h", "kari:s3cret", "kari:1,[s3cret]@h"])
def test_client_with_invalid_no_proxy(value, monkeypatch):
    "A client with an invalid NO_PROXY is not created, and the traceback does not contain the entry."
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", value)

    with pytest.raises(InputError, match="NO_PROXY") as caught:
        fg.Client("t-1", "token", base_url="https://shop.test/v2")

    assert not any(secret in shown_text(caught.value) for secret in SECRETS)


@pytest.mark.parametrize(
    ("environment", "facts"),
    [
        ({"NO_PROXY": "a, test"}, ["entry 2", "NO_PROXY"]),
        ({"no_proxy": "*", "NO_PROXY": "x"}, ["entry 1", "no_proxy"]),
        ({"NO_PROXY": "https://shop.test:443"}, ["entry 1", "NO_PROXY"]),
        ({"https_proxy": ""}, ["https_proxy", "HTTPS_PROXY"]),
        ({"https_proxy": " \t"}, ["https_proxy", "HTTPS_PROXY"]),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "http://proxy.test:3128", "all_proxy": ""}, ["all_proxy", "ALL_PROXY"]),
        ({"HTTPS_PROXY": "", "HTTP_PROXY": "http://proxy.test:3128"}, ["HTTP_PROXY", "HTTPS_PROXY"]),
        ({"HTTPS_PROXY": "", "http_proxy": "http://proxy.test:3128"}, ["http_proxy", "https_proxy"]),
    ],
)
def test_exclusion(environment, facts, monkeypatch):
    "If a proxy is specified but not used, the client names the variable that is the reason, without the password."
    monkeypatch.setenv("HTTPS_PROXY", "http://kari:s3cret@proxy.test:3128")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with fg.Client("t-1", "token", base_url="https://shop.test/v2", verify=False) as client:
        assert client.proxy is None
        assert all(fact in client.proxy_exclusion for fact in facts)
        assert not any(secret in client.proxy_exclusion for secret in SECRETS)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NO_PROXY": "*"},
        {"https_proxy": ""},
        {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "other.test"},
        {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "shop.test", "no_proxy": ""},
        {"HTTPS_PROXY": "http://proxy.test:3128", "https_proxy": "", "ALL_PROXY": "http://other.test:3128"},
    ],
)
def test_no_exclusion(environment, monkeypatch):
    "If a proxy is used or no proxy is specified, no exclusion is reported."
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert select_proxy("https", "shop.test", None).exclusion == ""


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "h:99999", "[::1", "a;b"])
def test_no_proxy_without_proxy(entry, monkeypatch):
    "If no proxy is set, NO_PROXY has no effect and is not checked."
    monkeypatch.setenv("NO_PROXY", entry)

    assert find() is None


def test_loopback(monkeypatch):
    "For a server on this machine, the proxy variables are not read."
    monkeypatch.setenv("ALL_PROXY", "foo://bar")

    with fg.Client("t-1", "token", base_url="https://127.0.0.1/v2", verify=False) as client:
        assert client.base_url == "https://127.0.0.1/v2"


def test_proxy_of_the_operating_system(monkeypatch):
    "Without proxy variables, the proxy settings of the operating system are used, including the excluded hosts."
    monkeypatch.setattr("frgroups.api.proxies.getproxies", lambda: {"https": "http://proxy.test:3128"})
    monkeypatch.setattr("frgroups.api.proxies.proxy_bypass", lambda host: host == "intranet.test")

    assert find("intranet.test") is None
    assert "operating system" in select_proxy("https", "intranet.test", None).exclusion
    assert find().address == "proxy.test:3128" and find().variable is None
    assert "variable" not in find().source and "operating system" in find().source


def test_invalid_proxy_of_the_operating_system(monkeypatch):
    "An error about the settings of the operating system does not name a variable. Blank settings are skipped."
    monkeypatch.setattr("frgroups.api.proxies.getproxies", lambda: {"https": " ", "http": "foo://bar"})

    with pytest.raises(InputError, match="operating system") as caught:
        find()

    assert "variable" not in str(caught.value)
    monkeypatch.setattr("frgroups.api.proxies.getproxies", lambda: {"https": " ", "http": "", "ftp": "foo://bar"})
    assert find() is None


@pytest.mark.parametrize("value", ["", " ", "\t", " \n ", "\u00a0"], ids=ascii)
@pytest.mark.parametrize("name", [*VARIABLES, "no_proxy", "NO_PROXY", "ftp_proxy"])
def test_blank_variable(name, value, monkeypatch):
    "A blank variable specifies no proxy, and the settings of the operating system are not read."
    monkeypatch.setattr("frgroups.api.proxies.getproxies", lambda: {"https": "http://proxy.test:3128"})
    assert find() is not None
    monkeypatch.setenv(name, value)

    assert find() is None


@pytest.mark.parametrize("value", ["", " "])
def test_blank_variable_before_other_variable(value, monkeypatch):
    "If HTTPS_PROXY is blank, ALL_PROXY is used, and errors name ALL_PROXY."
    monkeypatch.setenv("HTTPS_PROXY", value)
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")
    assert find().source == "the environment variable ALL_PROXY"
    monkeypatch.setenv("ALL_PROXY", "foo://bar")

    with pytest.raises(InputError, match="ALL_PROXY"):
        find()
