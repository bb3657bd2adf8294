"""Sending notices: signed as Standard Webhooks 1.0 says, again and again until they are taken."""

import asyncio
import base64
import hashlib
import hmac
import logging
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec

from balances.ledger import Unavailable
from balances.link import ReplyError
from ocs.webhooks.notices import Notice
from ocs.webhooks.queue import BATCH, Delivery, Queue
from ocs.webhooks.settings import WebhookSettings

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Notices under way at one time."""


def signature(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """``v1,`` and the HMAC-SHA256 of ``id.timestamp.body`` in base64."""
    digest = hmac.digest(secret, b"%s.%d.%s" % (id.encode(), timestamp, body), hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def read_secret(path: str) -> bytes:
    """The first line of the file; raises OSError."""
    secret = Path(path).read_text().split("\n", 1)[0].strip().encode()
    if not secret:
        raise OSError(f"{path}: the secret is empty")
    return secret


class Sender:
    """Looks for notices and sends them, on one node of all."""

    def __init__(self, settings: WebhookSettings, secret: bytes, queue: Queue, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._secret = secret
        self._queue = queue
        self._clock = clock
        self._node = uuid.uuid4().hex
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, interval: float = 0.5) -> None:
        """Until cancelled. While the store is away everything waits in it."""
        while True:
            looked = 0
            try:
                if await self._queue.lead(self._node):
                    looked = await self.round()
            except Unavailable as problem:
                log.debug("no notices sent: %s", problem)
            except ReplyError as problem:
                log.warning("no notices sent: %s", problem)
            except Exception:
                log.exception("sending notices failed; trying again")
            await asyncio.sleep(0 if looked >= BATCH else interval)

    async def round(self) -> int:
        """Find what is new, send what is due; how many entries were looked at."""
        looked = await self._queue.collect(self._clock())
        await asyncio.gather(*[self._send(notice) for notice in await self._queue.due(self._clock())])
        return looked

    async def _send(self, notice: Notice) -> None:
        async with self._slots:
            attempt = await self._queue.begin(notice)
            reason = await asyncio.to_thread(self._post, notice)
        settings, now = self._settings, self._clock()
        if not reason:
            await self._queue.finish(Delivery(notice=notice, at=now, attempt=attempt, result="delivered"))
        elif attempt >= settings.attempts:
            log.warning("notice %s is given up after %d attempts: %s", notice.id, attempt, reason)
            await self._queue.finish(Delivery(notice=notice, at=now, attempt=attempt, result="given up", reason=reason))
        else:
            pause = min(settings.longest_pause, settings.first_pause * 2 ** min(attempt - 1, 30))
            delivery = Delivery(notice=notice, at=now, attempt=attempt, result="failed", reason=reason)
            await self._queue.put_off(delivery, now + int(pause * 1000))

    def _post(self, notice: Notice) -> str:
        """Why it was not taken; empty if it was: any 2xx says so."""
        body = msgspec.json.encode(notice)
        now = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notice.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._secret, notice.id, now, body),
        }
        request = urllib.request.Request(self._settings.url, body, headers, method="POST")  # noqa: S310 - checked
        try:
            with urllib.request.urlopen(request, timeout=self._settings.timeout):  # noqa: S310 - checked
                return ""
        except urllib.error.HTTPError as error:
            return f"status {error.code}"
        except (OSError, ValueError) as error:
            return str(getattr(error, "reason", error)) or type(error).__name__
