"""Tests for the mapping of base URLs to environments."""

import pytest

from frgroups.api.environments import environment_label, environment_of
from frgroups.internals.base_urls import PRODUCTION, STAGE


@pytest.mark.parametrize(
    ("base_url", "kind", "label"),
    [
        (PRODUCTION, "production", "PRODUCTION"),
        ("https://api.flowretail.com/v3", "production", "PRODUCTION"),
        (STAGE, "stage", "stage"),
        ("https://api.stage.flowretail.com/", "stage", "stage"),
        ("http://127.0.0.1:8000/v2", "local", ""),
        ("https://flow.example/v2", "other", ""),
        ("", "none", ""),
    ],
)
def test_label_agrees_with_environment(base_url, kind, label):
    "The host of a base URL determines the environment and its label. The path is ignored."
    assert environment_of(base_url).kind == kind
    assert environment_label(base_url) == label
