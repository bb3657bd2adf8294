"""An SMS centre: each message is debited at once (IEC, context 32274); what cannot be delivered is refunded."""

import time
from random import Random

from simulators.books import Item, Service
from simulators.clients import SessionRunner, session_ids
from simulators.credit import (
    SUCCESS,
    Answer,
    KeyId,
    KeyReport,
    Meter,
    Profile,
    Request,
    RequestedAction,
    RequestType,
)
from simulators.traffic import Subscriber

HOST = "smsc1.msg.example.net"
MESSAGE = Profile(name="sms", context="32274@3gpp.org", meter=Meter.EVENTS, host=HOST)
KEY = KeyId(300, 1)
UNDELIVERED_SHARE = 0.1


class SmsCentre:
    """Debits messages, and refunds those that were not delivered."""

    def __init__(self, runner: SessionRunner) -> None:
        self._runner = runner
        self._random = Random(f"{runner.settings.seed}:smsc")
        self._ids = session_ids(HOST, runner.settings.seed)

    async def start(self, subscriber: Subscriber, due: float) -> None:
        """Submit one message of a subscriber."""
        undelivered = self._random.random() < UNDELIVERED_SHARE
        called = f"4917{self._random.randint(10_000_000, 99_999_999)}"
        session = next(self._ids)
        item = Item(subscriber.account, Service.SMS, session, "sms")
        self._runner.books.open(item)
        report = KeyReport(key=KEY, wanted=1)
        answer = await self._event(session, subscriber, called, report, RequestedAction.DIRECT_DEBITING, due)
        if answer is None:
            self._runner.books.unknown(item, 1)
            return
        grant = answer.grant(KEY)
        if not answer.ok or grant is None or grant.result != SUCCESS or not grant.granted:
            return
        self._runner.books.used(item, grant.granted)
        if undelivered:
            await self._refund(item, subscriber, called, grant.refund)

    async def _refund(self, item: Item, subscriber: Subscriber, called: str, token: bytes) -> None:
        session = next(self._ids)
        report = KeyReport(key=KEY, wanted=1, refund=token)
        answer = await self._event(
            session, subscriber, called, report, RequestedAction.REFUND_ACCOUNT, time.monotonic()
        )
        if answer is None:
            self._runner.books.unknown(item, 1)
        elif answer.ok:
            self._runner.books.refunded(item.session, session)

    async def _event(
        self,
        session: str,
        subscriber: Subscriber,
        called: str,
        report: KeyReport,
        action: RequestedAction,
        due: float,
    ) -> Answer | None:
        request = Request(
            session=session,
            type=RequestType.EVENT,
            number=0,
            subscriber=subscriber,
            profile=MESSAGE,
            keys=(report,),
            action=action,
            called=called,
        )
        kind = "sms debit" if action is RequestedAction.DIRECT_DEBITING else "sms refund"
        return await self._runner.client.ask(request, kind, due)
