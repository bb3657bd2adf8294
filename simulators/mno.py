"""The mobile core: a packet gateway, an IMS core and an SMS centre, each a Diameter peer of its own."""

import asyncio
from collections import Counter

from simulators import gateway, ims, smsc
from simulators.books import Books
from simulators.clients import Clock, SessionRunner
from simulators.diameter_client import DiameterClient, PeerOptions
from simulators.report import Outcomes
from simulators.run import Network, Result, Show, simulate
from simulators.settings import MnoOptions
from simulators.traffic import Arrival


class Mno(Network):
    """Three network elements over one set of subscribers."""

    name = "mno"

    def __init__(self, options: MnoOptions, books: Books, outcomes: Outcomes) -> None:
        super().__init__(books, outcomes)
        settings, clock = options.settings, Clock(options.settings.speed)
        self.mix = {"data": options.mix.data, "voice": options.mix.voice, "sms": options.mix.sms}
        self._runners = tuple(
            SessionRunner(DiameterClient(self._peer(options, host), settings, outcomes), books, settings, clock)
            for host in (gateway.HOST, ims.HOST, smsc.HOST)
        )
        data, voice, sms = self._runners
        self._elements: dict[str, gateway.Gateway | ims.ImsCore | smsc.SmsCentre] = {
            "data": gateway.Gateway(data, gateway.PROFILES.get(options.profile)),
            "voice": ims.ImsCore(voice),
            "sms": smsc.SmsCentre(sms),
        }

    @staticmethod
    def _peer(options: MnoOptions, identity: str) -> PeerOptions:
        return PeerOptions(host=options.host, port=options.port, identity=identity, realm=options.realm)

    async def open(self) -> None:
        """Connect all elements; raises Refused or TimeoutError."""
        await asyncio.gather(*(runner.client.open() for runner in self._runners))

    async def close(self) -> None:
        """Disconnect all elements."""
        await asyncio.gather(*(runner.client.close() for runner in self._runners))

    async def start(self, arrival: Arrival, due: float) -> None:
        """A data session, a call or a message."""
        await self._elements[arrival.kind].start(arrival.subscriber, due)

    def finish_all(self) -> None:
        """End all sessions."""
        for runner in self._runners:
            runner.finish_all()

    def faults(self) -> Counter[str]:
        """Faults injected so far on all links."""
        return sum((Counter(runner.client.link.injected) for runner in self._runners), Counter())


async def simulate_mno(options: MnoOptions, show: Show | None = None) -> Result:
    """Run the mobile core against a server and reconcile the books."""
    return await simulate(Mno(options, Books(), Outcomes()), options, show)
