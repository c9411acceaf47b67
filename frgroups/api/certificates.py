"""Create TLS contexts, and check the certificate files that an argument or an environment variable specifies."""

from __future__ import annotations

import os
import re
import ssl
import sys
from pathlib import Path
from typing import Any

import httpx

from frgroups.errors import InputError
from frgroups.internals.redaction import safe_repr

# `openssl rehash` creates file names with this pattern. In a folder, OpenSSL reads only files with such names.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")

# Accepted types of the client's argument `verify`.
Verify = bool | str | Path | ssl.SSLContext


def create_tls_context(verify: Verify) -> ssl.SSLContext:
    """
    Create the TLS context for https connections.

    Parameters
    ----------
    verify
        True uses the certificates in the file SSL_CERT_FILE or else in the folder SSL_CERT_DIR. If neither variable
        is set, the default certificates are used. False disables the verification. A path specifies a file or folder
        of certificates. An `ssl.SSLContext` is returned unchanged.

    Raises
    ------
    InputError
        A file or folder does not exist, cannot be read, or contains no certificate, or the file in SSLKEYLOGFILE
        cannot be written. The message names the variable or the argument.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify is not False:
        _check_key_log()
    if isinstance(verify, str | Path):
        return _context_for(Path(verify).expanduser(), "The argument `verify`")
    if verify is True:
        if file := os.environ.get("SSL_CERT_FILE"):
            return _context_for_file(Path(file), "The environment variable SSL_CERT_FILE")
        if folders := os.environ.get("SSL_CERT_DIR"):
            return _context_for_folders(folders.split(os.pathsep), "The environment variable SSL_CERT_DIR")
    return httpx.create_ssl_context(verify, trust_env=False)


def describe_certificates(verify: Verify) -> str:
    """
    Return a description of the certificates that a client trusts, for use in messages.

    Parameters
    ----------
    verify
        Argument of `create_tls_context`.

    Examples
    --------
    >>> describe_certificates(Path("company-ca.pem"))
    'company-ca.pem'
    """
    if isinstance(verify, ssl.SSLContext):
        return "from an ssl.SSLContext"
    if isinstance(verify, str | Path):
        return str(Path(verify).expanduser())
    if not verify:
        return "not verified"
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if value := os.environ.get(name):
            return f"{value} (environment variable {name})"
    return "the default certificates"


def check_certificates(path: Path, label: str) -> None:
    """Raise InputError if a path is not the path of a file or folder that contains CA certificates."""
    _context_for(path, label)


def check_verify(verify: Any) -> None:
    """
    Raise InputError if the argument `verify` of a client has an invalid type.

    Examples
    --------
    >>> check_verify(True)
    """
    if not isinstance(verify, bool | str | Path | ssl.SSLContext) or verify == "":
        raise InputError(
            f"`verify` must be True, False, the path of a certificate file, or an ssl.SSLContext, "
            f"got {safe_repr(verify)}."
        )


def _context_for(path: Path, label: str) -> ssl.SSLContext:
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):
        is_folder = False  # `_context_for_file` reports why the path cannot be read.
    if is_folder:
        return _context_for_folders([str(path)], label)
    return _context_for_file(path, label)


def _context_for_file(path: Path, label: str) -> ssl.SSLContext:
    problem = _problem_of_file(path)
    if problem:
        raise InputError(
            f"{label} must be the path of a PEM file with CA certificates, but {_quote(path)} {problem}."
        )
    return ssl.create_default_context(cafile=path)


def _context_for_folders(folders: list[str], label: str) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates in the folders. At least one must be valid."""
    problems = [_problem_of_folder(Path(folder)) for folder in folders]
    if all(problems):
        raise InputError(
            f"{label} must be the path of a folder with CA certificates, but {_quote(Path(folders[0]))} "
            f"{problems[0]}."
        )
    return ssl.create_default_context(capath=os.pathsep.join(folders))


def _problem_of_file(path: Path) -> str:
    """Return the reason why a file contains no usable CA certificates, or "" if the file is valid."""
    try:
        if path.is_dir():
            return "is a folder"
        if not path.exists():
            return "does not exist"
        if not path.is_file():
            return "is not a regular file"
        if path.stat().st_size == 0:
            return "is empty"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "contains no valid certificate in PEM format"
    except (OSError, ValueError) as error:
        return f"cannot be read ({_reason(error)})"
    if context.cert_store_stats()["x509"] == 0:
        return "contains no certificate"
    return ""


def _problem_of_folder(path: Path) -> str:
    """Return the reason why a folder contains no usable CA certificates, or "" if the folder is valid."""
    try:
        if path.is_file():
            return "is a file"
        if not path.is_dir():
            return "does not exist"
        certificates = [file for file in path.iterdir() if _HASHED_NAME.fullmatch(file.name)]
    except (OSError, ValueError) as error:
        return f"cannot be read ({_reason(error)})"
    if not certificates:
        return "contains no file with a hashed name. To create such names, run `openssl rehash` on the folder"
    if all(map(_problem_of_file, certificates)):
        return "contains no valid certificate in PEM format"
    return ""


def _check_key_log() -> None:
    """Raise InputError if the file in SSLKEYLOGFILE is not writable. Python writes TLS keys to this file."""
    file = os.environ.get("SSLKEYLOGFILE")
    if not file or sys.flags.ignore_environment:
        return
    try:
        with Path(file).open("a"):
            pass
    except (OSError, ValueError) as error:
        raise InputError(
            "The environment variable SSLKEYLOGFILE must be the path of a file that can be written, but "
            f"{_quote(Path(file))} cannot be opened ({_reason(error)}). Unset the variable or correct the path."
        ) from None


def _quote(path: Path) -> str:
    return repr(str(path))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
