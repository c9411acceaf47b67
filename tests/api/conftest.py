"""Fixtures for TLS: a self-signed certificate, and a server that uses it."""

import shutil

import pytest

from tests.api.service import EMPTY, Service, create_certificate, server_context, whole


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
