"""The HTTP application: routes from the table of operations, and the checks every request passes."""

import logging
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from balances.ledger import LedgerError, Unavailable
from ocs.http import (
    accounts,
    alerts,
    catalogues,
    events,
    health,
    loans,
    movements,
    notices,
    openapi,
    orphans,
    overview,
    page,
    portability,
    pricing,
    sessions,
    subscriptions,
    tariffs,
    tmf654,
    trail,
    transfers,
    vouchers,
)
from ocs.http.auth import Gate
from ocs.http.house import Call, House, Operation
from ocs.http.problems import (
    Kind,
    Problem,
    fault_in_body,
    fault_in_query,
    from_ledger,
    from_status,
    outcome_unknown,
)

log = logging.getLogger(__name__)

ENCODER = msgspec.json.Encoder(decimal_format="number")
DECODER = msgspec.json.Decoder(float_hook=Decimal)
"""No number of a body is ever a float."""

OPERATIONS: tuple[Operation, ...] = (
    *accounts.OPERATIONS,
    *movements.OPERATIONS,
    *loans.OPERATIONS,
    *transfers.OPERATIONS,
    *subscriptions.OPERATIONS,
    *vouchers.OPERATIONS,
    *alerts.OPERATIONS,
    *tmf654.OPERATIONS,
    *sessions.OPERATIONS,
    *orphans.OPERATIONS,
    *pricing.OPERATIONS,
    *catalogues.OPERATIONS,
    *portability.OPERATIONS,
    *tariffs.OPERATIONS,
    *overview.OPERATIONS,
    *events.OPERATIONS,
    *notices.OPERATIONS,
    *health.OPERATIONS,
)

KEY = re.compile(r"[!-~]{1,128}", re.ASCII)
"""An Idempotency-Key: printable, no spaces."""

Endpoint = Callable[[Request], Any]


def create_app(house: House) -> Starlette:
    """The ASGI application over what the daemon hands in."""
    gate = Gate(house.settings)
    described = msgspec.json.encode(openapi.document(OPERATIONS, house.version))

    async def describe(_: Request) -> Response:
        return Response(described, media_type="application/json")

    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    routes = [
        # A session's id may hold slashes (a Call-ID may).
        Route(path.replace("{session}", "{session:path}"), _endpoint(house, gate, methods), methods=list(methods))
        for path, methods in by_path.items()
    ]
    app = Starlette(
        routes=[*routes, Route("/openapi.json", describe), *page.routes()],
        exception_handlers={HTTPException: _refused_by_router},
    )
    app.router.redirect_slashes = False
    return app


async def _refused_by_router(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return from_status(error.status_code, dict(error.headers or {})).response()


def _endpoint(house: House, gate: Gate, methods: dict[str, Operation]) -> Endpoint:
    """One path; whatever goes wrong becomes a problem, and nothing gets past here."""

    async def endpoint(request: Request) -> Response:
        response = await answer(request)
        if request.method not in trail.HARMLESS:
            trail.record(request, gate.name(request.headers), response.status_code)
        return response

    async def answer(request: Request) -> Response:
        operation = methods["GET" if request.method == "HEAD" else request.method]
        try:
            return await _answer(house, gate, operation, request)
        except Problem as problem:
            return operation.dialect.say(problem)
        except LedgerError as error:
            return operation.dialect.say(from_ledger(error))
        except Unavailable:
            return operation.dialect.say(outcome_unknown())
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            log.exception("%s %s failed", request.method, operation.path)
            return operation.dialect.say(Problem(Kind.INTERNAL))

    return endpoint


async def _answer(house: House, gate: Gate, operation: Operation, request: Request) -> Response:
    caller = gate.check(request.headers, operation.role)
    call: Call[Any, Any] = Call(
        path=request.path_params,
        body=await _body(request, operation.body, operation.largest(house.settings)) if operation.body else None,
        query=_query(request, operation.query) if operation.query else None,
        key=_key(request, operation),
        caller=caller,
    )
    reply = await operation.handler(house, call)
    if isinstance(reply.body, StreamingResponse) and request.method == "HEAD":
        return Response(headers=dict(reply.body.headers))
    if isinstance(reply.body, Response):
        return reply.body
    return Response(
        ENCODER.encode(reply.body),
        reply.status,
        {"Cache-Control": "no-store", **reply.headers},
        media_type="application/json",
    )


async def _body(request: Request, kind: Any, largest: int) -> Any:
    """Read, limit, decode and check the body; raises Problem."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"It is {media_type or 'unnamed'}.")
    octets = bytearray()
    async for chunk in request.stream():
        octets += chunk
        if len(octets) > largest:
            raise Problem(Kind.BODY_TOO_LARGE, f"At most {largest} octets are read.", headers={"Connection": "close"})
    try:
        parsed = DECODER.decode(octets)
        return msgspec.convert(parsed, kind)
    except msgspec.ValidationError as error:
        fault = fault_in_body(error)
        raise Problem(Kind.INVALID_REQUEST, fault.detail, errors=(fault,)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(Kind.MALFORMED_JSON, str(error)) from None


def _query(request: Request, kind: Any) -> Any:
    """Check the query; raises Problem. A parameter given twice is a mistake, not a choice."""
    names = [name for name, _ in request.query_params.multi_items()]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise Problem(Kind.INVALID_REQUEST, f"Given more than once: {', '.join(sorted(repeated))}.")
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        fault = fault_in_query(error)
        raise Problem(Kind.INVALID_REQUEST, fault.detail, errors=(fault,)) from None


def _key(request: Request, operation: Operation) -> str:
    if not (operation.keyed or operation.may_be_keyed):
        return ""
    key = request.headers.get("idempotency-key", "")
    if not key and operation.may_be_keyed:
        return str(uuid.uuid4())
    if not key:
        raise Problem(Kind.IDEMPOTENCY_KEY_REQUIRED)
    if not KEY.fullmatch(key):
        raise Problem(Kind.INVALID_REQUEST, "An Idempotency-Key is 1 to 128 printable ASCII characters without spaces.")
    return key
