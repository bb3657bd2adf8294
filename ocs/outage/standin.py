"""Answers for the ledger while the store is gone.

A promise is on disk before its answer leaves. While a session has promises that are not settled, its requests are not
brought before the ledger: first comes what was promised.
"""

import logging
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from balances.keys import Keys
from balances.ledger import Address, Charge, Charged, Unavailable
from balances.link import Link
from balances.money import parse_amount
from charging import trust
from charging.engine import Engine
from charging.event import ChargingEvent, Memory, ServiceKind
from charging.trust import OnTrust, Payer, Promise
from ocs.metrics import Metrics
from ocs.outage.promises import Promises
from ocs.outage.settings import OutageSettings
from ocs.outage.settlement import Settlement

log = logging.getLogger(__name__)


class Standin:
    """See ``charging.trust.Standin``. ``settings``: this process's share; ``clock``: milliseconds since 1970."""

    def __init__(
        self,
        settings: OutageSettings,
        promises: Promises,
        engine: Engine,
        link: Link,
        keys: Sequence[Keys],
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        self._after = settings.after
        self._limits = {ServiceKind(grant.service): parse_amount(grant.amount) for grant in settings.grants}
        self._promises = promises
        self._ledger = engine.ledger
        self._link = link
        self._keys = keys
        self._metrics = metrics
        self._settlement = Settlement(promises, engine, self._reaches, metrics, clock)
        for service in self._limits:
            for result in ("granted", "refused"):
                metrics.promises.labels(service.value, result)
        for result in ("settled", "failed"):
            metrics.promises_settled.labels(result)

    async def run(self) -> None:
        """Settle what was promised, whenever it can be, until cancelled."""
        await self._settlement.run()

    async def close(self) -> None:
        await self._settlement.close()
        await self._promises.close()

    def grants(self, kind: ServiceKind) -> bool:
        """Is the store gone, and this service granted all the same?"""
        return kind in self._limits and self._is_gone(self._link.away)

    async def settled(self, session: str) -> None:
        if not self._promises.of(session) or not self._reaches(session):
            return
        try:
            await self._settlement.settle(session)
        except Unavailable as problem:
            log.debug("session %s is not settled yet: %s", session, problem)

    async def charge(self, event: ChargingEvent, kind: ServiceKind | None, payer: Payer, charge: Charge) -> Charged:
        given = self._promises.answer((event.session, event.operation))
        if given is not None:
            fingerprint, answer = given
            return replace(answer, replayed=True, conflict=fingerprint != event.fingerprint)
        problem = Unavailable("what was promised to the session is not settled yet")
        if not self._promises.of(event.session):
            try:
                return await self._ledger.charge(charge)
            except Unavailable as unavailable:
                problem = unavailable
        if kind is None or kind not in self._limits or not self._is_gone(self._away(charge.address)):
            raise problem
        return await self._promise(event, kind, payer, charge)

    def memory(self, session: str) -> Memory | None:
        return trust.memory(self._promises.of(session))

    async def _promise(self, event: ChargingEvent, kind: ServiceKind, payer: Payer, charge: Charge) -> OnTrust:
        found = trust.answer(charge, min(self._limits[kind], self._promises.room(payer)))
        if found is None:
            raise self._refusal(kind, "no more is granted on trust")
        answer, amount = found
        try:
            await self._promises.add(
                Promise(
                    event=event,
                    address=charge.address,
                    payer=payer.account,
                    currency=payer.currency,
                    amount=amount,
                    answer=answer,
                )
            )
        except OSError as problem:
            raise self._refusal(kind, str(problem)) from None
        self._metrics.promises.labels(kind.value, "granted").inc()
        return answer

    def _refusal(self, kind: ServiceKind, why: str) -> Unavailable:
        self._metrics.promises.labels(kind.value, "refused").inc()
        return Unavailable(f"the store is gone; {why}")

    def _is_gone(self, away: float) -> bool:
        """Has there been no connection for long enough? One that stands is none of this, however slow."""
        return away > 0 and away >= self._after

    def _away(self, address: Address) -> float:
        """Seconds for which there has been no connection to where the account lives. Raises Unavailable."""
        return self._link.node_of(self._keys[address.shard].account(address.account)).away

    def _reaches(self, session: str) -> bool:
        """Is there a connection to where a session with promises lives?"""
        try:
            return not self._away(self._promises.of(session)[0].address)
        except Unavailable:
            return False
