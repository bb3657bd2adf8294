"""A desk at which a test opens accounts and hands in charging events, over a ledger of each kind."""

from dataclasses import dataclass, field
from zlib import crc32

from balances.ledger import Account, Address, Identity, IdentityType, Ledger, Movement, NewAccount, Unit
from balances.money import parse_amount
from charging.catalogue import Catalogue
from charging.engine import Engine
from charging.event import Action, ChargingEvent, Outcome, Phase, RequestItem, Service, ServiceKind
from charging.gifts import gift
from charging.observer import Silent
from charging.settings import ChargingSettings

NOON = 1_768_471_200_000
DATA = Service(kind=ServiceKind.DATA, apn="internet")
CALL = Service(kind=ServiceKind.VOICE, calling="491701234567", called="493012345678")
SMS = Service(kind=ServiceKind.SMS, calling="491701234567", called="493012345678")
MAIN = Identity(type=IdentityType.E164, value="491701234567")


@dataclass
class Notices(Silent):
    """Remembers what was observed."""

    seen: list[tuple[object, ...]] = field(default_factory=list)

    def report_capped(self, door: str, session: str, unit: Unit, reported: int) -> None:
        self.seen.append(("capped", unit, reported))

    def unit_mismatch(self, door: str, session: str, reported: Unit, rated: Unit) -> None:
        self.seen.append(("mismatch", reported, rated))

    def unquoted_usage(self, door: str, session: str, key: str) -> None:
        self.seen.append(("unquoted", key))

    def terms_reread(self, reason: str) -> None:
        self.seen.append(("reread", reason))


class Desk:
    """An engine over a ledger, in the words of a story. The clock stands still unless moved."""

    def __init__(self, ledger: Ledger, catalogue: Catalogue, settings: ChargingSettings | None = None) -> None:
        self.ledger = ledger
        self.notices = Notices()
        self.engine = Engine(ledger, catalogue, settings or ChargingSettings(), self.notices)
        self.now = NOON
        self.number = 0

    def colleague(self, settings: ChargingSettings | None = None) -> "Desk":
        """Another engine over the same ledger, which remembers nothing."""
        desk = Desk(self.ledger, self.engine.catalogue, settings)
        desk.now, desk.number = self.now, self.number + 1000
        return desk

    async def open(
        self,
        name: str = "alice",
        balance: str = "0",
        *,
        identities: tuple[Identity, ...] = (MAIN,),
        plan: str = "prepaid-basic",
    ) -> Address:
        new = NewAccount(id=name, plan=plan, currency="EUR", identities=identities)
        account = await self.ledger.open_account(new, self.now)
        if parse_amount(balance):
            await self.top_up(account.address, balance)
        return account.address

    async def top_up(self, address: Address, amount: str) -> None:
        self.number += 1
        await self.ledger.move(
            Movement(
                address=address, operation=f"t{self.number}", amount=parse_amount(amount), cause="topup", now=self.now
            )
        )

    async def give(self, address: Address, offer: str) -> None:
        found = self.engine.catalogue.offer(offer)
        assert found
        self.number += 1
        account = await self.ledger.account(address)
        await self.ledger.give(gift(self.engine.catalogue, found, account, f"g{self.number}", self.now))

    def event(
        self,
        phase: Phase,
        *items: RequestItem,
        session: str = "s",
        operation: str | None = None,
        service: Service | None = DATA,
        identities: tuple[Identity, ...] = (MAIN,),
        **more: object,
    ) -> ChargingEvent:
        self.number += 1
        return ChargingEvent(
            session=session,
            operation=operation or f"{self.number}",
            fingerprint=crc32(repr((phase, items, service)).encode()),
            phase=phase,
            door="test",
            at=self.now,
            now=self.now,
            identities=identities,
            service=service,
            items=items,
            **more,  # type: ignore[arg-type]
        )

    async def say(self, phase: Phase, *items: RequestItem, **more: object) -> Outcome:
        return await self.engine.handle(self.event(phase, *items, **more))  # type: ignore[arg-type]

    async def ask(self, action: Action, *items: RequestItem, **more: object) -> Outcome:
        return await self.say(Phase.EVENT, *items, action=action, **more)

    async def money(self, address: Address) -> tuple[int, int]:
        """Balance and reserved money in micro-units."""
        account: Account = await self.ledger.account(address)
        return account.money.balance, account.money.reserved
