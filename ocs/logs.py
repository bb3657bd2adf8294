"""Logs: everything that any package logs, structured, on standard error, with subscriber numbers masked."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

_NUMBER = re.compile(r"(?<![\d;.:-])(\+?\d{5})\d{3,8}(\d{2})(?![\d:])")
"""10 to 15 digits: E.164, IMSI. Not behind ``;``, ``.`` or ``-``: there stand counters of session and entry ids."""

_SIP_USER = re.compile(r"(sips?:)([^@\s;>\"]+)@")


def mask(text: str) -> str:
    """The text with subscriber numbers and SIP users unreadable, but alike enough to be told apart."""
    text = _SIP_USER.sub(lambda found: f"{found.group(1)}{found.group(2)[:2]}***@", text)
    return _NUMBER.sub(r"\1*****\2", text)


def _mask_all(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = mask(value)
    return event


def set_up(format: Literal["console", "json"], level: str) -> None:
    """Send what structlog and the standard logging get the same way; replaces what was set up before."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_all,
    ]
    last: structlog.typing.Processor
    if format == "json":
        last = structlog.processors.JSONRenderer()
    else:
        plain = structlog.dev.plain_traceback  # the pretty ones show variables, and with them subscribers
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for loud in ("uvicorn", "asyncio"):
        logging.getLogger(loud).setLevel(max(logging.WARNING, root.level))
