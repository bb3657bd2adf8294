"""The server's HTTP API as the simulators use it: accounts, top-ups, the ledger, the audit."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from simulators.traffic import Subscriber

PLAN, CURRENCY = "prepaid-basic", "EUR"
MICRO = 1_000_000


class ApiError(Exception):
    """The API refuses, or nobody answers; ``status`` is 0 then."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status}: {detail}" if status else detail)
        self.status = status


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """What one ledger entry took from an account."""

    entry: str
    session: str
    cause: str
    money: int = 0
    """Micro-units debited less what was credited: below zero for refunds and top-ups."""
    allowance: int = 0
    """Units taken from allowances, counted alike."""


class Api:
    """Calls to one server; each runs in a thread, so that the loop that times the traffic never waits for it."""

    def __init__(self, url: str, token: str = "", timeout: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._token, self._timeout = token, timeout

    def __repr__(self) -> str:
        return f"<Api {self.url}>"

    async def call(self, method: str, path: str, body: object = None, key: str = "") -> Any:
        """One call, its JSON or None; ``key`` is the Idempotency-Key. Raises ApiError."""
        return await asyncio.to_thread(self._call, method, path, body, key)

    async def open_account(self, subscriber: Subscriber) -> bool:
        """Open the subscriber's account under all its identities; False if it exists."""
        identities = [
            {"type": "imsi", "value": subscriber.imsi},
            {"type": "e164", "value": subscriber.e164},
            {"type": "sip", "value": subscriber.sip},
        ]
        body = {"id": subscriber.account, "plan": PLAN, "currency": CURRENCY, "identities": identities}
        try:
            await self.call("POST", "/v1/accounts", body)
        except ApiError as error:
            if error.status == 409:
                return False
            raise
        return True

    async def top_up(self, account: str, amount: str, key: str) -> None:
        """Put money in, once for each key."""
        await self.call("POST", f"/v1/accounts/{account}/topups", {"amount": amount, "reference": "simulated"}, key)

    async def give(self, account: str, offer: str, key: str) -> None:
        """Give a bundle, once for each key."""
        await self.call("POST", f"/v1/accounts/{account}/buckets", {"offer": offer}, key)

    async def account(self, account: str) -> dict[str, Any]:
        """The account as the API shows it."""
        shown: dict[str, Any] = await self.call("GET", f"/v1/accounts/{account}")
        return shown

    async def movements(self, account: str, after: str = "") -> list[Movement]:
        """Everything that moved in the account since the entry ``after``, oldest first."""
        found: list[Movement] = []
        while True:
            query = urllib.parse.urlencode({"after": after, "limit": 1000})
            page = await self.call("GET", f"/v1/accounts/{account}/entries?{query}")
            found += [_movement(entry) for entry in page["entries"]]
            if page["next"] is None:
                return found
            after = page["next"]

    async def audit(self) -> dict[str, Any]:
        """Do the books close?"""
        answer: dict[str, Any] = await self.call("GET", "/v1/audit")
        return answer

    def _call(self, method: str, path: str, body: object, key: str) -> Any:
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - http by option
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310 - as above
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode("utf-8", "replace")[:300]) from None
        except (OSError, ValueError) as error:
            raise ApiError(0, f"{self.url}: {error}") from None


def micro(amount: object) -> int:
    """A decimal string of the API as micro-units; integers are units already and stay."""
    return amount if isinstance(amount, int) else int(Decimal(str(amount)) * MICRO)


def euros(amount: int) -> str:
    """Micro-units as a decimal string, at least two decimals."""
    text = f"{Decimal(amount) / MICRO:.6f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def _movement(entry: dict[str, Any]) -> Movement:
    return Movement(
        entry=entry["id"],
        session=entry["session"],
        cause=entry["cause"],
        money=_taken(entry["lines"], money=True),
        allowance=_taken(entry["lines"], money=False),
    )


def _taken(lines: Iterable[dict[str, Any]], *, money: bool) -> int:
    return sum(
        micro(line["debited"]) - micro(line["credited"]) for line in lines if (line["bucket"] == "money") is money
    )
