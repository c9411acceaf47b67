"""Reading of TOML files."""

import pytest

from frgroups.errors import InputError
from frgroups.internals.toml_files import read_toml


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_no_part_of_the_content(tmp_path, mark):
    path = tmp_path / "limits.toml"
    path.write_bytes(mark + b"n = 1")

    assert read_toml(path, "limits file") == ({"n": 1}, mark + b"n = 1")


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b"n = ", "not valid TOML"), (b"\xff\xfe", "not UTF-8"), (b"n = " + b"[" * 5000, "not valid TOML")],
    ids=["syntax", "encoding", "nesting"],
)
def test_an_invalid_file_is_named_with_an_example(tmp_path, body, problem):
    path = tmp_path / "limits.toml"
    path.write_bytes(body)

    with pytest.raises(InputError, match=f"The limits file .*{problem}.* Write n = 1") as caught:
        read_toml(path, "limits file", example=" Write n = 1.")

    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_toml(tmp_path / "missing.toml", "policy")
    with pytest.raises(InputError, match="cannot be read: it is a folder"):
        read_toml(tmp_path, "policy")
