"""Tests for the function that reads TOML files."""

import pytest

from frgroups.errors import InputError
from frgroups.internals.toml_files import read_toml


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark(tmp_path, mark):
    "A byte order mark is ignored by the parser but included in the returned bytes."
    path = tmp_path / "limits.toml"
    path.write_bytes(mark + b"n = 1")

    assert read_toml(path, "limits file") == ({"n": 1}, mark + b"n = 1")


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b"n = ", "TOML"), (b"\xff\xfe", "UTF-8"), (b"n = " + b"[" * 5000, "TOML")],
    ids=["syntax", "encoding", "nesting"],
)
def test_invalid_file(tmp_path, body, problem):
    "The error for an invalid TOML file contains the description, the path, the problem, and the example."
    path = tmp_path / "limits.toml"
    path.write_bytes(body)

    with pytest.raises(InputError, match=f"limits file .*{problem}.* Write n = 1") as caught:
        read_toml(path, "limits file", example=" Write n = 1.")

    assert str(path) in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    "If the path does not exist or is a folder, the error contains this reason."
    with pytest.raises(InputError, match=r"policy .*missing\.toml: No such file"):
        read_toml(tmp_path / "missing.toml", "policy")
    with pytest.raises(InputError, match="folder"):
        read_toml(tmp_path, "policy")
