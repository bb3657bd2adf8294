"""A desk at which a test calls the API: the application with the real engine and the sample catalogue."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from balances.ledger import Ledger, Phase, Session
from balances.money import parse_amount
from balances.store import StoreLedger
from balances.vouchers import Vouchers
from charging.catalogue import Catalogue, load
from charging.engine import Engine
from charging.event import ChargingEvent, Identity, IdentityType, Outcome, RequestItem, Service, ServiceKind
from charging.settings import ChargingSettings
from ocs.http.app import create_app
from ocs.http.books import Books
from ocs.http.feed import Feed
from ocs.http.house import House
from ocs.http.models import PeerView
from ocs.http.settings import HttpSettings
from ocs.low_balances import LowBalances
from ocs.metrics import Metrics
from ocs.observers import ChargingObserver
from ocs.telling import Teller
from ocs.vouchers.redeemer import Redeemer
from ocs.vouchers.settings import VoucherSettings
from tests.air import Air

NOON = 1_768_471_200_000
ALICE = {
    "id": "alice",
    "plan": "prepaid-basic",
    "currency": "EUR",
    "identities": [
        {"type": "e164", "value": "491701234567"},
        {"type": "imsi", "value": "262011234567890"},
        {"type": "sip", "value": "alice@example.net"},
    ],
}


CATALOGUE = load("sample")
OPEN = HttpSettings(auth="off")


@dataclass
class Desk:
    """The application with what it stands on. The clock stands still unless moved."""

    ledger: Ledger
    settings: HttpSettings = OPEN
    catalogue: Catalogue = CATALOGUE
    now: int = NOON
    reasons: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = Metrics("1.2.3")
        self.air = Air()
        observer = ChargingObserver(self.metrics, Teller(self.air))
        self.engine = Engine(self.ledger, self.catalogue, ChargingSettings(), observer)
        self.feed = Feed(self.air)
        self.low = LowBalances(self.ledger, parse_amount("1.00"))
        self.books = Books(self.ledger, self.metrics, lambda: self.now, 1.0)
        self.house = House(
            ledger=self.ledger,
            engine=self.engine,
            settings=self.settings,
            metrics=self.metrics,
            books=self.books,
            feed=self.feed,
            low=self.low,
            abort=self.abort,
            clock=lambda: self.now,
            peers=self.peers,
            readiness=lambda: self.reasons,
            version="1.2.3",
            redeemer=self.redeemer(),
        )
        self.app = create_app(self.house)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://localhost:8080", timeout=10
        )

    def redeemer(self) -> Redeemer | None:
        """Vouchers are kept in a store only."""
        if not isinstance(self.ledger, StoreLedger):
            return None
        vouchers = Vouchers(self.ledger.link, self.ledger.keys, b"a secret of vouchers")
        return Redeemer(
            VoucherSettings(tries=3, lock=60.0), vouchers, self.ledger, lambda: self.engine.catalogue, self.metrics,
            lambda: self.now,
        )  # fmt: skip

    async def peers(self) -> tuple[PeerView, ...]:
        return (PeerView(name="pgw.example.net", door="diameter", state="open", counters={"requests": 7}),)

    async def abort(self, session: Session) -> None:
        """As the daemon does, but for the message to the peer."""
        await self.charge(Phase.CLOSE, session=session.id, operation="abort", service=None)
        self.aborted.append(session.id)

    async def charge(
        self,
        phase: Phase,
        *,
        session: str = "pgw.example.net;1;2",
        operation: str = "0",
        service: ServiceKind | None = ServiceKind.DATA,
        **item: Any,
    ) -> Outcome:
        """A request over the Diameter door on alice's account."""
        return await self.engine.handle(
            ChargingEvent(
                session=session,
                operation=operation,
                fingerprint=1,
                phase=phase,
                door="diameter",
                at=self.now,
                now=self.now,
                identities=(Identity(type=IdentityType.E164, value="491701234567"),),
                service=None if service is None else Service(kind=service, called="493012345678"),
                items=(RequestItem(key="rg:10", rating_group=10, **item),) if item else (),
            )
        )

    async def post(self, path: str, body: object, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.client.post(path, json=body, headers=headers, **more)

    async def open(self, **more: object) -> None:
        answer = await self.post("/v1/accounts", ALICE | more)
        assert answer.status_code == 201, answer.text

    async def top_up(self, amount: str, key: str = "k1") -> httpx.Response:
        return await self.post("/v1/accounts/alice/topups", {"amount": amount, "reference": "payment"}, key)

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem details of an answer, checked for what all have in common."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    details: dict[str, Any] = answer.json()
    assert details["type"] == f"urn:ocs:problem:{kind}"
    assert details["status"] == status
    assert details["title"]
    return details
