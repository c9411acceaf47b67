"""Fixtures for a self-signed certificate, for a server with TLS, and for the environment variables."""

import shutil

import pytest

from tests.api.service import EMPTY, Service, create_certificate, server_context, whole


@pytest.fixture(autouse=True)
def no_network_variables(monkeypatch):
    """Remove the proxy and TLS variables of the machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The paths of a self-signed certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return create_certificate(tmp_path_factory.mktemp("certificate"), "-addext", "subjectAltName=IP:127.0.0.1")


@pytest.fixture
def secure(certificate):
    """A server with TLS."""
    with Service(whole(EMPTY), tls=server_context(*certificate)) as service:
        yield service
