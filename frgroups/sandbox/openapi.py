"""Generate the OpenAPI document of the sandbox."""

from __future__ import annotations

from typing import Any

from frgroups.sandbox.request_validation import MAX_INTEGER
from frgroups.sandbox.store import CUSTOMER_SORTS, GROUP_SORTS

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
TIMESTAMP: Schema = {"type": "string", "format": "date-time"}
UID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
OPTIONAL_UID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}
NAME: Schema = {"type": "string", "minLength": 1}


def _object(**properties: Schema) -> Schema:
    """Return the schema of an object that requires all given fields and allows no other fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


GROUP = _object(
    customerGroupUid=UID,
    name=STRING,
    createdBy=STRING,
    createdAt=TIMESTAMP,
    lastModifiedBy=STRING,
    lastModifiedAt=TIMESTAMP,
)
EXTENSION = _object(
    extensionCode={"type": "string", "enum": ["TWO_INVOICE", "KLAVIYO_PROFILE_ID"]}, organizationUid=OPTIONAL_UID
)
ADDRESS = _object(
    customerAddressUid=STRING,
    type={"type": "string", "enum": ["DELIVERY_ADDRESS", "INVOICE_ADDRESS"]},
    displayName=STRING,
    firstname=STRING,
    lastname=STRING,
    companyName=STRING,
    address=STRING,
    postalCode=STRING,
    city=STRING,
    countryCode=STRING,
    email=STRING,
    phone=STRING,
)
CONTACT = _object(
    customerContactUid=STRING,
    firstname=STRING,
    lastname=STRING,
    displayName=STRING,
    email=STRING,
    mobile=STRING,
    role={"type": "string", "enum": ["ADMIN", "PURCHASER", "ACCOUNTING", "NONE"]},
    createdAt=TIMESTAMP,
    lastModifiedAt=TIMESTAMP,
    extensions=_list(EXTENSION),
)
CUSTOMER = _object(
    customerUid=UID,
    customerParentUid=OPTIONAL_UID,
    customerType={"type": "string", "enum": ["COMPANY", "PERSON", "B2B"]},
    externalId=STRING,
    firstname=STRING,
    lastname=STRING,
    companyName=STRING,
    displayName=STRING,
    email=STRING,
    mobile=STRING,
    address=STRING,
    postalCode=STRING,
    city=STRING,
    countryCode=STRING,
    vatNumber=STRING,
    pricelistUid=OPTIONAL_UID,
    origin=STRING,
    loyaltyId=STRING,
    defaultStore={**_object(storeUid=UID, name=STRING), "nullable": True},
    credit=_object(limit=INTEGER, balance=INTEGER),
    paymentTerms=INTEGER,
    accountManager=_object(tenantUserUid=OPTIONAL_UID, displayName=STRING, userCode=STRING),
    ehf=_object(enabled=BOOLEAN, address=STRING),
    internalNote=STRING,
    relevance={"type": "number"},
    createdAt=TIMESTAMP,
    lastModifiedAt=TIMESTAMP,
    addresses=_list(ADDRESS),
    contacts=_list(CONTACT),
    consents=_list(_object(consentUid=UID, name=STRING, status=BOOLEAN, source=STRING, createdAt=TIMESTAMP)),
    extensions=_list(EXTENSION),
    customerGroupUids=_list(UID),
)
PAGING = _object(pageNumber=INTEGER, pageSize={"type": "integer", "minimum": 1}, totalCount=INTEGER)

ERROR_DESCRIPTIONS = {
    400: "The request is invalid. Nothing was changed.",
    401: "The bearer token is missing or invalid.",
    403: "The token lacks the permission CUSTOMER.",
    404: "The tenant or customer group does not exist.",
    409: "A customer group with this uid already exists.",
    413: "The request contains too many uids. Nothing was changed.",
}


def contract(tenant_uid: str, page_base: int) -> Schema:
    """Return the OpenAPI document for a tenant. `page_base` is the number of the first page (0 or 1)."""
    tenant = _path_parameter("tenantUid", {"type": "string", "enum": [tenant_uid]})
    group = _path_parameter("customerGroupUid", UID)
    create = {**_object(name=NAME, customerGroupUid=OPTIONAL_UID), "required": ["name"]}
    rename = {**_object(name=NAME), "required": []}
    change = {**_object(addCustomerUids=_list(UID), removeCustomerUids=_list(UID)), "required": []}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Customer groups API of the sandbox", "version": "1"},
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/v2/tenants/{tenantUid}/customer-groups": {
                "parameters": [tenant],
                "get": _operation("get-customer-groups", 200, _page(GROUP), query=_paging(page_base, GROUP_SORTS)),
                "post": _operation("post-customer-groups", 201, GROUP, body=create, error_statuses=(409,)),
            },
            "/v2/tenants/{tenantUid}/customer-groups/{customerGroupUid}": {
                "parameters": [tenant, group],
                "get": _operation("get-customer-groups-by-uid", 200, GROUP),
                "put": _operation("put-customer-groups", 200, GROUP, body=rename),
                "delete": _operation("delete-customer-groups", 204, None),
            },
            "/v2/tenants/{tenantUid}/customer-groups/{customerGroupUid}/customers": {
                "parameters": [tenant, group],
                "get": _operation(
                    "get-customer-groups-customers", 200, _page(CUSTOMER), query=_paging(page_base, CUSTOMER_SORTS)
                ),
                "put": _operation("put-customer-groups-customers", 204, None, body=change, error_statuses=(413,)),
            },
        },
    }


def _path_parameter(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _page(items: Schema) -> Schema:
    return _object(items=_list(items), paging=PAGING)


def _paging(page_base: int, sorts: dict[str, str]) -> list[Schema]:
    schemas = {
        "pageNumber": {"type": "integer", "minimum": page_base, "maximum": MAX_INTEGER},
        "pageSize": {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER},
        "sortBy": {"type": "string", "enum": list(sorts)},
        "sortDirection": {"type": "string", "enum": ["ASC", "DESC"]},
    }
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in schemas.items()]


def _operation(
    name: str,
    success: int,
    response: Schema | None,
    *,
    query: list[Schema] | None = None,
    body: Schema | None = None,
    error_statuses: tuple[int, ...] = (),
) -> Schema:
    message = {"application/json": {"schema": _object(message=STRING)}}
    responses: Schema = {
        str(status): {"description": ERROR_DESCRIPTIONS[status], "content": message}
        for status in (400, 401, 403, 404, *error_statuses)
    }
    responses[str(success)] = {"description": "The request succeeded."}
    if response is not None:
        responses[str(success)]["content"] = {"application/json": {"schema": response}}
    operation: Schema = {"operationId": name, "responses": responses}
    if query is not None:
        operation["parameters"] = query
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
