"""Tests for the certificates that the environment, the caller, or tenants.toml specifies."""

import os
import ssl
import subprocess
from pathlib import Path

import pytest

import frgroups as fg
from frgroups.api.certificates import create_tls_context
from frgroups.api.retry import RetryPolicy
from frgroups.errors import InputError
from frgroups.internals.paths import home

ONCE = RetryPolicy(max_attempts=1)
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


def write(folder, name, content=b""):
    """Write a file and return its path."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
WRONG_FILES = {
    "missing": lambda folder: folder / "missing.pem",
    "empty": lambda folder: write(folder, "empty.pem"),
    "blank": lambda folder: write(folder, "blank.pem", b"\n \n"),
    "folder": lambda folder: folder,
    "text": lambda folder: write(folder, "text.pem", b"no certificate"),
    "binary": lambda folder: write(folder, "binary.pem", bytes(range(256))),
    "broken": lambda folder: write(folder, "a.pem", BROKEN),
    "device": lambda folder: Path("/dev/zero"),
    "long path": lambda folder: folder / ("a" * 5000),
}
WRONG_FOLDERS = {
    "missing": lambda folder: folder / "missing",
    "empty": lambda folder: write(folder, "certificates/x").parent,
    "file": lambda folder: write(folder, "file.pem"),
    "names without a hash": lambda folder: write(folder, "certificates/ca.pem", b"x").parent,
    "invalid certificate": lambda folder: write(folder, "certificates/0123abcd.0", b"x").parent,
    "two missing folders": lambda folder: f"{folder / 'a'}{os.pathsep}{folder / 'b'}",
    "long path": lambda folder: folder / ("a" * 5000),
}
WRONG_KEY_LOGS = {
    "folder": lambda folder: folder,
    "in a missing folder": lambda folder: folder / "missing" / "keys.txt",
    "long path": lambda folder: folder / ("a" * 5000),
}
WRONG = [
    pytest.param(name, make, id=f"{name} {label}")
    for name, values in zip(VARIABLES, (WRONG_FILES, WRONG_FOLDERS, WRONG_KEY_LOGS), strict=True)
    for label, make in values.items()
]


@pytest.mark.parametrize(("name", "make"), WRONG)
def test_invalid_variable(name, make, tmp_path, monkeypatch):
    "A client for https is not created if a variable specifies certificates that cannot be used."
    monkeypatch.setenv(name, str(make(tmp_path)))

    with pytest.raises(InputError, match=name):
        fg.Client("t-1", "token", base_url="https://shop.test/v2")


@pytest.mark.parametrize("make", WRONG_FILES.values(), ids=WRONG_FILES)
@pytest.mark.parametrize("kind", [str, Path])
def test_invalid_verify(kind, make, tmp_path):
    "The argument `verify` must be a file or folder that contains certificates."
    with pytest.raises(InputError, match="`verify`"):
        fg.Client("t-1", "token", base_url="https://shop.test/v2", verify=kind(make(tmp_path)))


@pytest.mark.parametrize("verify", [None, "", 1, 0.5, b"ca.pem", ["ca.pem"], object()])
@pytest.mark.parametrize("base_url", ["https://shop.test/v2", "http://127.0.0.1/v2"])
def test_type_of_verify(verify, base_url):
    "The argument `verify` must be a bool, a path, or an SSLContext."
    with pytest.raises(InputError, match="`verify`"):
        fg.Client("t-1", "token", base_url=base_url, verify=verify)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can read all files")
def test_unreadable_file(tmp_path, monkeypatch):
    "A certificate file that the user cannot read is rejected."
    path = write(tmp_path, "ca.pem", b"x")
    path.chmod(0)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    with pytest.raises(InputError, match="SSL_CERT_FILE"):
        create_tls_context(True)


def test_unreadable_error(tmp_path, monkeypatch):
    "If the operating system rejects access to a file, the InputError contains the reason."
    path = write(tmp_path, "ca.pem", b"x")

    def deny(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", deny)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    with pytest.raises(InputError, match=r"SSL_CERT_FILE.*Permission denied"):
        create_tls_context(True)


def read(base_url, **options):
    """Return the number of groups that a client reads over TLS."""
    with fg.Client("t-1", "token", base_url=base_url, retry=ONCE, **options) as client:
        return client.read_group_page().total_count


@pytest.fixture
def folder(certificate, tmp_path):
    """A folder that contains the certificate under its hashed name."""
    result = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", certificate[0]], capture_output=True, text=True, check=True
    )
    return write(tmp_path, f"{result.stdout.strip()}.0", certificate[0].read_bytes()).parent


def test_trusted_file(secure, certificate, monkeypatch):
    "SSL_CERT_FILE and `verify` accept a file, even for a server on this machine. The argument takes precedence."
    assert read(secure.url, verify=certificate[0]) == read(secure.url, verify=str(certificate[0])) == 0
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    monkeypatch.setenv("SSL_CERT_DIR", "/missing")  # SSL_CERT_FILE takes precedence over SSL_CERT_DIR.
    assert read(secure.url) == 0
    monkeypatch.setenv("SSL_CERT_FILE", "/missing")
    assert read(secure.url, verify=certificate[0]) == read(secure.url, verify=False) == 0


def test_trusted_folder(secure, folder, monkeypatch):
    "SSL_CERT_DIR and `verify` accept a folder. One of several folders can be missing."
    assert read(secure.url, verify=folder) == 0
    monkeypatch.setenv("SSL_CERT_DIR", f"/missing{os.pathsep}{folder}")
    assert read(secure.url) == 0


def test_key_log(secure, certificate, tmp_path, monkeypatch):
    "A writable file in SSLKEYLOGFILE is accepted."
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.txt"))

    assert read(secure.url, verify=certificate[0]) == 0


def test_ca_file(secure, certificate):
    "The path in `ca_file` is relative to the folder of tenants.toml."
    (home() / "ca.pem").write_bytes(certificate[0].read_bytes())
    table = f'[shop]\ntenant_uid = "t-1"\nhost = "{secure.url}"\ntoken_command = "echo token"\n'
    (home() / "tenants.toml").write_text(f'{table}ca_file = "ca.pem"\n')

    with fg.Client.from_config("shop", retry=ONCE) as client:
        assert client.read_group_page().total_count == 0


@pytest.mark.parametrize("value", ['"missing.pem"', '""', "1", '["a.pem"]'])
def test_invalid_ca_file(value):
    "An invalid `ca_file` affects only the tenant that specifies the file."
    table = 'tenant_uid = "t-{0}"\nhost = "stage"\ntoken_command = "echo token"\n'
    text = f"[shop]\n{table.format(1)}ca_file = {value}\n[other]\n{table.format(2)}"
    (home() / "tenants.toml").write_text(text)

    fg.Client.from_config("other").close()
    with pytest.raises(InputError, match="ca_file"):
        fg.Client.from_config("shop")
