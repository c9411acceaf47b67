"""Tests for the validation of base URLs."""

import pytest

from frgroups.errors import InputError
from frgroups.internals.base_urls import checked_base_url


@pytest.mark.parametrize(
    "base_url",
    [
        *("https://kari:s3cret", "https://kari:s3cret/v2", "http://kari:1s3cret", "kari:s3cret", "https:kari:s3cret"),
        *(
            "https://kari:s3cret@",
            "kari:s3cret@h",
            "https://kari:s3cret/x@h",
            "https://h:s3cret@x",
            "https://s3cret@",
        ),
        *(
            "https://h?token=s3cret",
            "https://h#s3cret",
            "stage?s3cret",
            "https://h:80:s3cret",
            "https://kari:\ns3cret",
        ),
    ],
)
def test_secret_in_a_base_url(base_url):
    "The error for an invalid base URL contains no password and no token, even if the URL has no host."
    with pytest.raises(InputError, match="base_url") as caught:
        checked_base_url(base_url)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    ["https://h.example/v2", "https://H.example./v2/", "HTTPS://h.example.:443/v2", "https://h.example:443/v2"],
)
def test_spellings_of_a_base_url(base_url):
    "All spellings of a base URL are equal, because rejections and folders of a tenant depend on its base URL."
    assert checked_base_url(base_url) == "https://h.example/v2"


@pytest.mark.parametrize("base_url", ["stag", "h:8000/v2", "ftp://h:8000/v2"])
def test_invalid_base_url(base_url):
    "The error for an invalid base URL without a secret contains the complete URL."
    with pytest.raises(InputError) as caught:
        checked_base_url(base_url)

    assert repr(base_url) in str(caught.value)
