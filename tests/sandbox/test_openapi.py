"""What the sandbox answers fits the published contract, and nothing that schemathesis thinks of breaks its own."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from frgroups.sandbox.sandbox import Sandbox

PUBLISHED = json.loads((Path(__file__).parents[1] / "published_contract.json").read_text(encoding="utf-8"))


def _as_json_schema(part: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: what is `nullable` may be null."""
    if isinstance(part, list):
        return [_as_json_schema(each) for each in part]
    if not isinstance(part, dict):
        return part
    schema = {name: _as_json_schema(each) for name, each in part.items() if name != "nullable"}
    return {"anyOf": [schema, {"type": "null"}]} if part.get("nullable") is True else schema


COMPONENTS = _as_json_schema(copy.deepcopy(PUBLISHED["components"]))


def published_schema(method: str, path: str, status: int) -> dict[str, Any] | None:
    """The schema that the published contract has for this answer; None for one without a body."""
    response = PUBLISHED["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" not in response:
        return None
    content = f"{response['$ref']}/content/application~1json/schema"
    return {"$ref": content, "components": COMPONENTS}


def complaints(answer: Any, schema: dict[str, Any]) -> list[str]:
    """What the published contract has against an answer."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
    return [error.message for error in validator.iter_errors(answer)]


GROUPS = "/tenants/{tenantUid}/customer-groups"
GROUP = f"{GROUPS}/{{customerGroupUid}}"
CUSTOMERS = f"{GROUP}/customers"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=400, groups=20) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
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
def test_each_success_fits_the_published_contract(
    sandbox: Sandbox, http: httpx.Client, method: str, path: str, group: str, body: Any, status: int
) -> None:
    "Every operation answers with a status and a body that the published contract has."
    sandbox.put_group(group or "other", "A group")
    answer = http.request(method, _path(path, sandbox, group), json=body)

    schema = published_schema(method, path, status)
    assert answer.status_code == status
    if schema is None:
        assert answer.content == b""
    else:
        assert complaints(answer.json(), schema) == []


def test_each_made_up_customer_fits_the_published_contract(sandbox: Sandbox, http: httpx.Client) -> None:
    "All pages of the largest groups, with customers of every type, fit."
    schema = published_schema("GET", CUSTOMERS, 200)
    assert schema is not None

    for group in ("loyalty", "b2b", "country_no"):
        answer = http.get(_path(CUSTOMERS, sandbox, group), params={"pageSize": 500}).json()
        assert answer["items"]
        assert complaints(answer, schema) == []


def test_a_bare_customer_fits_the_published_contract(sandbox: Sandbox, http: httpx.Client) -> None:
    "A customer of whom a test told only the uid has every required field."
    sandbox.put_customers(["bare"])
    sandbox.put_group("bare_group", "Bare")
    sandbox.add_members("bare_group", ["bare"])

    schema = published_schema("GET", CUSTOMERS, 200)
    assert schema is not None
    assert complaints(http.get(_path(CUSTOMERS, sandbox, "bare_group")).json(), schema) == []


def test_the_contract_notices_what_does_not_fit(sandbox: Sandbox, http: httpx.Client) -> None:
    "The check is worth something: odd records and a missing list of groups are complained of."
    schema = published_schema("GET", CUSTOMERS, 200)
    assert schema is not None
    for wrong in ({"odd_records": True}, {"group_uids": "absent"}):
        sandbox.misbehave(**wrong)
        answer = http.get(_path(CUSTOMERS, sandbox, "loyalty")).json()
        sandbox.behave()

        assert complaints(answer, schema)


def test_the_sandboxs_own_document_has_the_published_operations(http: httpx.Client) -> None:
    "The document that the sandbox serves has the same paths, methods, names and successes."

    def operations(document: dict[str, Any], prefix: str) -> set[tuple[str, str, str, str]]:
        return {
            (prefix + path, method, operation["operationId"], min(operation["responses"]))
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if method != "parameters"
        }

    assert operations(http.get("/openapi.json").json(), "") == operations(PUBLISHED, "/v2")


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    "Hundreds of good and bad requests, single and in sequence, get only answers that the document has."
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
