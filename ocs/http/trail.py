"""The trail of operators' actions: who asked for which change, from where, and what was answered; refusals too.

One line each in the log, under ``ocs.operators``, at every log level. What changed in the books is in the ledger.
"""

import logging

import structlog
from starlette.requests import Request

log = structlog.get_logger("ocs.operators")
logging.getLogger("ocs.operators").setLevel(logging.INFO)

HARMLESS = ("GET", "HEAD", "OPTIONS")


def record(request: Request, caller: str, status: int) -> None:
    """Leave a line for a request that may have changed something."""
    log.info(
        "operator action",
        caller=caller or "-",
        source=request.client.host if request.client else "-",
        method=request.method,
        path=request.url.path,
        key=request.headers.get("idempotency-key", "-")[:128],
        status=status,
    )
