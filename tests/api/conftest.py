"""Fixtures for TLS: a self-signed certificate, and a server that uses it."""

import shutil
import ssl
import subprocess

import pytest

from tests.api.service import Service, whole

EMPTY = b'{"items":[],"paging":{"pageNumber":1,"pageSize":500,"totalCount":0}}'


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The paths of a self-signed certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    key, file = folder / "key.pem", folder / "certificate.pem"
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    result = subprocess.run(["openssl", *kind, *name, "-keyout", str(key), "-out", str(file)], capture_output=True)
    if result.returncode:
        pytest.skip("openssl cannot create the certificate")
    return file, key


@pytest.fixture
def secure(certificate):
    """A server with TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Service(whole(EMPTY), tls=context) as service:
        yield service
