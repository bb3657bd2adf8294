"""What the Diameter server calls for each valid CCR: read, charge, answer."""

import time
from collections.abc import Callable
from typing import Protocol

import structlog
from msgspec.structs import replace

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

log = structlog.get_logger("ocs.diameter")


class Charging(Protocol):
    """The part of the charging engine that a door needs."""

    async def handle(self, event: ChargingEvent) -> Outcome: ...


def _ignore(_host: str, _state_id: int) -> None: ...


class CreditControl:
    """Answers Credit-Control-Requests by asking the charging engine; keeps nothing between two requests."""

    def __init__(
        self,
        charging: Charging,
        settings: CreditControlSettings,
        observer: DiameterObserver,
        clock: Callable[[], float] = time.time,
        seen: Callable[[str, int], None] = _ignore,
    ) -> None:
        """``seen`` is told the Origin-Host and Origin-State-Id of requests that have one."""
        self._charging = charging
        self._manners = Manners(settings)
        self._parameters = {one.type: one.field for one in settings.parameters}
        self._observer = observer
        self._clock = clock
        self._seen = seen

    async def __call__(self, message: Message, peer: PeerInfo) -> Answer:
        """The answer to a CCR that has passed its command's grammar; raises RemoteError for what cannot be read."""
        request = read(message, int(self._clock() * 1000), self._parameters)
        state_id = message.get(avps.ORIGIN_STATE_ID)
        if state_id:
            self._seen(message.require(avps.ORIGIN_HOST), state_id)
        manner = self._manners.of(message.require(avps.ORIGIN_HOST))
        if manner.profile.units_unasked:
            request = ask_unasked(request, message)
        if manner.profile.tariff_switch:
            request = request._replace(event=replace(request.event, splits=True))
        outcome = await self._charging.handle(request.event)
        if outcome.replayed:
            self._observer.duplicate()
        if outcome.conflict:
            # RFC 8506 section 8.2: the number makes the request. What the copy reports beyond the first is not settled.
            self._observer.protocol_error("repeat-differs")
            log.warning("a repeated request has other content", session=request.event.session, peer=peer.host)
        return write(request, outcome, manner)
