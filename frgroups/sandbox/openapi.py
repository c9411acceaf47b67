"""The OpenAPI document of the sandbox: the published operations, with all the answers and limits it has."""

from __future__ import annotations

from typing import Any

from frgroups.sandbox.request_validation import LARGEST
from frgroups.sandbox.store import CUSTOMER_SORTS, GROUP_SORTS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
UID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
OPTIONAL_UID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}
NAME: Schema = {"type": "string", "minLength": 1}


def _object(**properties: Schema) -> Schema:
    """An object with exactly these fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


GROUP = _object(
    customerGroupUid=UID, name=TEXT, createdBy=TEXT, createdAt=MOMENT, lastModifiedBy=TEXT, lastModifiedAt=MOMENT
)
EXTENSION = _object(
    extensionCode={"type": "string", "enum": ["TWO_INVOICE", "KLAVIYO_PROFILE_ID"]}, organizationUid=OPTIONAL_UID
)
ADDRESS = _object(
    customerAddressUid=TEXT,
    type={"type": "string", "enum": ["DELIVERY_ADDRESS", "INVOICE_ADDRESS"]},
    displayName=TEXT,
    firstname=TEXT,
    lastname=TEXT,
    companyName=TEXT,
    address=TEXT,
    postalCode=TEXT,
    city=TEXT,
    countryCode=TEXT,
    email=TEXT,
    phone=TEXT,
)
CONTACT = _object(
    customerContactUid=TEXT,
    firstname=TEXT,
    lastname=TEXT,
    displayName=TEXT,
    email=TEXT,
    mobile=TEXT,
    role={"type": "string", "enum": ["ADMIN", "PURCHASER", "ACCOUNTING", "NONE"]},
    createdAt=MOMENT,
    lastModifiedAt=MOMENT,
    extensions=_list(EXTENSION),
)
CUSTOMER = _object(
    customerUid=UID,
    customerParentUid=OPTIONAL_UID,
    customerType={"type": "string", "enum": ["COMPANY", "PERSON", "B2B"]},
    externalId=TEXT,
    firstname=TEXT,
    lastname=TEXT,
    companyName=TEXT,
    displayName=TEXT,
    email=TEXT,
    mobile=TEXT,
    address=TEXT,
    postalCode=TEXT,
    city=TEXT,
    countryCode=TEXT,
    vatNumber=TEXT,
    pricelistUid=OPTIONAL_UID,
    origin=TEXT,
    loyaltyId=TEXT,
    defaultStore={**_object(storeUid=UID, name=TEXT), "nullable": True},
    credit=_object(limit=WHOLE, balance=WHOLE),
    paymentTerms=WHOLE,
    accountManager=_object(tenantUserUid=OPTIONAL_UID, displayName=TEXT, userCode=TEXT),
    ehf=_object(enabled=FLAG, address=TEXT),
    internalNote=TEXT,
    relevance={"type": "number"},
    createdAt=MOMENT,
    lastModifiedAt=MOMENT,
    addresses=_list(ADDRESS),
    contacts=_list(CONTACT),
    consents=_list(_object(consentUid=UID, name=TEXT, status=FLAG, source=TEXT, createdAt=MOMENT)),
    extensions=_list(EXTENSION),
    customerGroupUids=_list(UID),
)
PAGING = _object(pageNumber=WHOLE, pageSize={"type": "integer", "minimum": 1}, totalCount=WHOLE)

REASONS = {
    400: "Something in the request cannot be right; nothing was changed.",
    401: "No valid bearer token.",
    403: "The token lacks the permission CUSTOMER.",
    404: "No such tenant or customer group.",
    409: "There is a customer group of this uid already.",
    413: "Too many uids for one request; nothing was changed.",
}


def contract(tenant_uid: str, page_base: int) -> Schema:
    """The document, for a sandbox of this one tenant whose first page has this number."""
    tenant = _in_path("tenantUid", {"type": "string", "enum": [tenant_uid]})
    group = _in_path("customerGroupUid", UID)
    create = {**_object(name=NAME, customerGroupUid=OPTIONAL_UID), "required": ["name"]}
    rename = {**_object(name=NAME), "required": []}
    change = {**_object(addCustomerUids=_list(UID), removeCustomerUids=_list(UID)), "required": []}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Customer groups, as the sandbox answers", "version": "1"},
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/v2/tenants/{tenantUid}/customer-groups": {
                "parameters": [tenant],
                "get": _operation("get-customer-groups", 200, _page(GROUP), query=_paging(page_base, GROUP_SORTS)),
                "post": _operation("post-customer-groups", 201, GROUP, body=create, refused=(409,)),
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
                "put": _operation("put-customer-groups-customers", 204, None, body=change, refused=(413,)),
            },
        },
    }


def _in_path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _page(items: Schema) -> Schema:
    return _object(items=_list(items), paging=PAGING)


def _paging(page_base: int, sorts: dict[str, str]) -> list[Schema]:
    schemas = {
        "pageNumber": {"type": "integer", "minimum": page_base, "maximum": LARGEST},
        "pageSize": {"type": "integer", "minimum": 1, "maximum": LARGEST},
        "sortBy": {"type": "string", "enum": list(sorts)},
        "sortDirection": {"type": "string", "enum": ["ASC", "DESC"]},
    }
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in schemas.items()]


def _operation(
    name: str,
    success: int,
    answer: Schema | None,
    *,
    query: list[Schema] | None = None,
    body: Schema | None = None,
    refused: tuple[int, ...] = (),
) -> Schema:
    message = {"application/json": {"schema": _object(message=TEXT)}}
    responses: Schema = {
        str(status): {"description": REASONS[status], "content": message} for status in (400, 401, 403, 404, *refused)
    }
    responses[str(success)] = {"description": "Done."}
    if answer is not None:
        responses[str(success)]["content"] = {"application/json": {"schema": answer}}
    operation: Schema = {"operationId": name, "responses": responses}
    if query is not None:
        operation["parameters"] = query
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
