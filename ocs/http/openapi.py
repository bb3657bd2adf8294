"""The OpenAPI document, made from the same table as the routes."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, get_args, get_origin

import msgspec

from ocs.http.house import Operation
from ocs.http.problems import Dialect

REFERENCE = "#/components/schemas/{name}"
KEY_PARAMETER = {"$ref": "#/components/parameters/IdempotencyKey"}
KEY_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}
PARAMETER = re.compile(r"\{(\w+)\}")


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Everything the API offers (OpenAPI 3.1)."""
    rows = tuple(operations)
    mentioned = [(row.body, row.query, *row.returns.values(), *row.events.values()) for row in rows]
    types = {_element(one) for group in mentioned for one in group if one not in (None, str)}
    types |= {row.dialect.schema for row in rows}
    _, schemas = msgspec.json.schema_components(sorted(types, key=lambda one: one.__name__), ref_template=REFERENCE)
    schemas = _with_numbers(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas)
    for query in {row.query for row in rows if row.query}:
        schemas.pop(query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Online charging server",
            "version": version,
            "description": "Accounts, balances and credit sessions of the online charging server.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": True,
                    "description": "Names this change: a repeat with the same key does not do it again.",
                    "schema": KEY_SCHEMA,
                },
                "OptionalKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "As above; without one each request is another.",
                    "schema": KEY_SCHEMA,
                },
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(row: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in PARAMETER.findall(row.path)
    ]
    if row.query:
        described = schemas[row.query.__name__]
        parameters += [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in described["properties"].items()
        ]
    if row.keyed:
        parameters.append(KEY_PARAMETER)
    if row.may_be_keyed:
        parameters.append({"$ref": "#/components/parameters/OptionalKey"})
    said: dict[str, Any] = {
        "operationId": f"{row.handler.__module__.rpartition('.')[2]}_{row.handler.__name__}",
        "summary": row.summary,
        "tags": [row.handler.__module__.rpartition(".")[2]],
        "parameters": parameters,
        "responses": {str(status): _answer(status, kind) for status, kind in row.returns.items()}
        | ({"200": _stream(row.events)} if row.events else {})
        | {str(status): _problem(status, row.dialect) for status in _problems(row)},
    }
    if row.role is not None:
        said["security"] = [{"token": []}]
        said["description"] = f"Takes the role `{row.role.name.lower()}`."
    if row.body:
        said["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": REFERENCE.format(name=row.body.__name__)}}},
        }
    return said


def _problems(row: Operation) -> list[int]:
    """The statuses an operation's problems can have, those of its kind included."""
    found = {500, *row.problems}
    if row.keyed or row.may_be_keyed:
        found |= {400, 422}  # no key, or one that is none
    if row.role is not None:
        found |= {401, 403, 503}
    if row.body:
        found |= {400, 413, 415, 422}
    if row.query:
        found.add(422)
    return sorted(found - row.returns.keys())


def _with_numbers(schema: Any) -> Any:
    """Exact decimals travel as JSON numbers here, where msgspec would describe strings."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {name: value for name, value in schema.items() if name != "format"} | {"type": "number"}
        return {name: _with_numbers(value) for name, value in schema.items()}
    return [_with_numbers(each) for each in schema] if isinstance(schema, list) else schema


def _element(kind: Any) -> Any:
    """Of a list what it is a list of; others as they are."""
    return get_args(kind)[0] if get_origin(kind) is list else kind


def _answer(status: int, kind: Any) -> dict[str, Any]:
    if kind is str:
        return {"description": HTTPStatus(status).phrase, "content": {"text/plain": {"schema": {"type": "string"}}}}
    element = _element(kind)
    schema: dict[str, Any] = {"$ref": REFERENCE.format(name=element.__name__)}
    if element is not kind:
        schema = {"type": "array", "items": schema}
    return {"description": HTTPStatus(status).phrase, "content": {"application/json": {"schema": schema}}}


def _stream(events: dict[str, Any]) -> dict[str, Any]:
    """Server-sent events (WHATWG HTML, section 9.2): each event's data is JSON of its type."""
    kinds = ", ".join(f"`{name}` ({REFERENCE.format(name=kind.__name__)})" for name, kind in events.items())
    return {
        "description": f"A stream of events until the client leaves: {kinds}.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }


def _problem(status: int, dialect: Dialect) -> dict[str, Any]:
    schema = {"$ref": REFERENCE.format(name=dialect.schema.__name__)}
    return {"description": HTTPStatus(status).phrase, "content": {dialect.media_type: {"schema": schema}}}
