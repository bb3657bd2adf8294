"""Is the process there, is it ready, what does it count."""

import asyncio

from starlette.responses import Response

from balances.ledger import Unavailable
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import HealthView, ReadyView

PROBE_SECONDS = 2.0
"""Time in which every shard of the store must have run the canary script."""


async def healthy(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    return Reply(body=HealthView())


async def ready(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    reasons = [*house.readiness()]
    if not house.engine.catalogue.plans:
        reasons.append("the catalogue has no plan")
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await house.ledger.probe()
    except TimeoutError:
        reasons.append("the store did not answer in time")
    except Unavailable as error:
        reasons.append(f"the store is unavailable: {error}")
    if reasons:
        return Reply(status=503, body=ReadyView(status="not ready", reasons=tuple(reasons)))
    return Reply(body=ReadyView(status="ready"))


async def metrics(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    text, content_type = house.metrics.expose()
    return Reply(body=Response(text, headers={"Content-Type": content_type}))


OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        summary="Is the process there?",
        handler=healthy,
        role=None,
        returns={200: HealthView},
    ),
    Operation(
        method="GET",
        path="/readyz",
        summary="Should traffic come here? The canary script runs on every shard",
        handler=ready,
        role=None,
        returns={200: ReadyView, 503: ReadyView},
    ),
    Operation(
        method="GET",
        path="/metrics",
        summary="Prometheus metrics",
        handler=metrics,
        role=None,
        returns={200: str},
    ),
)
