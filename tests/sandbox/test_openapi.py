"""Validate the responses of the sandbox against the published OpenAPI contract and its own document."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from frgroups.sandbox.sandbox import Sandbox

PUBLISHED = json.loads((Path(__file__).parents[1] / "published_contract.json").read_text(encoding="utf-8"))


def _as_json_schema(part: Any) -> Any:
    """Convert an OpenAPI 3.0 schema to JSON Schema by replacing `nullable`."""
    if isinstance(part, list):
        return [_as_json_schema(item) for item in part]
    if not isinstance(part, dict):
        return part
    schema = {name: _as_json_schema(value) for name, value in part.items() if name != "nullable"}
    return {"anyOf": [schema, {"type": "null"}]} if part.get("nullable") is True else schema


COMPONENTS = _as_json_schema(copy.deepcopy(PUBLISHED["components"]))


def published_schema(method: str, path: str, status: int) -> dict[str, Any] | None:
    """Return the published schema of a response, or None for a response without a body."""
    response = PUBLISHED["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" not in response:
        return None
    content = f"{response['$ref']}/content/application~1json/schema"
    return {"$ref": content, "components": COMPONENTS}


def validation_errors(body: Any, schema: dict[str, Any]) -> list[str]:
    """Return the validation errors of a response body."""
    # The import takes seconds, so it is delayed until a test needs the package.
    import jsonschema

    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
    return [error.message for error in validator.iter_errors(body)]


GROUPS = "/tenants/{tenantUid}/customer-groups"
GROUP = f"{GROUPS}/{{customerGroupUid}}"
CUSTOMERS = f"{GROUP}/customers"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return a running sandbox with 400 customers."""
    with Sandbox(customers=400, groups=20) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Return an HTTP client with the token of the sandbox."""
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, verify=False) as http:
        yield http


def _path(template: str, sandbox: Sandbox, group: str = "") -> str:
    return template.format(tenantUid=sandbox.tenant_uid, customerGroupUid=group)


@pytest.mark.parametrize(
    ("method", "path", "group", "body", "status"),
    [
        ("GET", GROUPS, "", None, 200),
        ("POST", GROUPS, "", {"name": "Ny", "customerGroupUid": "new"}, 201),
        ("GET", GROUP, "0150", None, 200),
        ("PUT", GROUP, "0150", {"name": "Nyere"}, 200),
        ("GET", CUSTOMERS, "staff", None, 200),
        ("PUT", CUSTOMERS, "pilot", {"addCustomerUids": [], "removeCustomerUids": []}, 204),
        ("DELETE", GROUP, "outlet", None, 204),
        ("DELETE", GROUP, "country_fi", None, 204),
    ],
)
def test_success_responses(
    sandbox: Sandbox, http: httpx.Client, method: str, path: str, group: str, body: Any, status: int
) -> None:
    "Each successful response of the sandbox matches the published OpenAPI contract."
    sandbox.put_group(group or "other", "A group")
    response = http.request(method, _path(path, sandbox, group), json=body)

    schema = published_schema(method, path, status)
    assert response.status_code == status
    if schema is None:
        assert response.content == b""
    else:
        assert validation_errors(response.json(), schema) == []


def test_synthetic_customers(sandbox: Sandbox, http: httpx.Client) -> None:
    "The customers on the first member page of large groups match the published contract."
    schema = published_schema("GET", CUSTOMERS, 200)
    assert schema is not None

    for group in ("loyalty", "b2b", "country_no"):
        response = http.get(_path(CUSTOMERS, sandbox, group), params={"pageSize": 500}).json()
        assert response["items"]
        assert validation_errors(response, schema) == []


def test_minimal_customer(sandbox: Sandbox, http: httpx.Client) -> None:
    "A customer that was created from a uid matches the published contract."
    sandbox.put_customers(["bare"])
    sandbox.put_group("bare_group", "Bare")
    sandbox.add_members("bare_group", ["bare"])

    schema = published_schema("GET", CUSTOMERS, 200)
    assert schema is not None
    assert validation_errors(http.get(_path(CUSTOMERS, sandbox, "bare_group")).json(), schema) == []


def test_invalid_customers(sandbox: Sandbox, http: httpx.Client) -> None:
    "Customers with the option odd_records or without group uids do not match the published contract."
    schema = published_schema("GET", CUSTOMERS, 200)
    assert schema is not None
    for options in ({"odd_records": True}, {"group_uids": "absent"}):
        sandbox.misbehave(**options)
        response = http.get(_path(CUSTOMERS, sandbox, "loyalty")).json()
        sandbox.behave()

        assert validation_errors(response, schema)


def test_operations(http: httpx.Client) -> None:
    "The OpenAPI document of the sandbox has the published paths, methods, and operation ids."

    def operations(document: dict[str, Any], prefix: str) -> set[tuple[str, str, str, str]]:
        return {
            (prefix + path, method, operation["operationId"], min(operation["responses"]))
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if method != "parameters"
        }

    assert operations(http.get("/openapi.json").json(), "") == operations(PUBLISHED, "/v2")


@pytest.mark.slow
def test_schemathesis(tmp_path: Path) -> None:
    "Schemathesis finds no deviation from the OpenAPI document of the sandbox."
    with Sandbox(customers=50, groups=8, unknown_uids="ignore") as sandbox:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{sandbox.base_url}/openapi.json"),
            *("--url", sandbox.base_url.removesuffix("/v2")),
            *("--header", f"Authorization: Bearer {sandbox.token}"),
            *("--phases", "coverage,fuzzing,stateful", "--checks", "all"),
            *("--max-examples", "12", "--seed", "20261123", "--workers", "1", "--no-color"),
        ]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=180)
        statuses = {entry["status"] for entry in sandbox.requests()}

    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    assert "No issues found" in run.stdout
    assert {200, 201, 204, 400, 401, 404, 405} <= statuses
