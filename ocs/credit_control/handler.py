"""What the Diameter server calls for each valid CCR: read, charge, answer."""

import time
from collections.abc import Callable
from typing import Protocol

from charging.event import ChargingEvent, Outcome
from ocs.credit_control.answer import write
from ocs.credit_control.manner import Manners, ask_unasked
from ocs.credit_control.request import read
from ocs.credit_control.settings import CreditControlSettings
from ocs.diameter import avps
from ocs.diameter.answer import Answer
from ocs.diameter.message import Message
from ocs.diameter.observer import DiameterObserver
from ocs.pending import PeerInfo


class Charging(Protocol):
    """The part of the charging engine that a door needs."""

    async def handle(self, event: ChargingEvent) -> Outcome: ...


class CreditControl:
    """Answers Credit-Control-Requests by asking the charging engine; keeps nothing between two requests."""

    def __init__(
        self,
        charging: Charging,
        settings: CreditControlSettings,
        observer: DiameterObserver,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._charging = charging
        self._manners = Manners(settings)
        self._observer = observer
        self._clock = clock

    async def __call__(self, message: Message, _peer: PeerInfo) -> Answer:
        """The answer to a CCR that has passed its command's grammar; raises RemoteError for what cannot be read."""
        request = read(message, now=int(self._clock() * 1000))
        manner = self._manners.of(message.require(avps.ORIGIN_HOST))
        if manner.profile.units_unasked:
            request = ask_unasked(request, message)
        outcome = await self._charging.handle(request.event)
        if outcome.replayed:
            self._observer.duplicate()
        return write(request, outcome, manner)
