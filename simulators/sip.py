"""The VoIP side: one proxy and its callers."""

from collections import Counter

from simulators.books import Books
from simulators.report import Outcomes
from simulators.run import Network, Result, Show, simulate
from simulators.settings import SipOptions
from simulators.sip_client import SipClient
from simulators.sip_proxy import SipProxy
from simulators.traffic import Arrival


class Sip(Network):
    """A proxy with callers; only calls arrive."""

    name = "sip"

    def __init__(self, options: SipOptions, books: Books, outcomes: Outcomes) -> None:
        super().__init__(books, outcomes)
        self.mix = {"call": 1.0}
        self._options = options
        self._client = SipClient(options.settings, outcomes, options.transport)
        self._proxy = SipProxy(self._client, books, outcomes, options)

    async def open(self) -> None:
        """Take a port."""
        await self._client.open(self._options.host, self._options.port)

    async def close(self) -> None:
        """Give it back."""
        self._client.close()

    async def start(self, arrival: Arrival, due: float) -> None:
        """A call."""
        await self._proxy.start(arrival.subscriber, due)

    def finish_all(self) -> None:
        """Everybody hangs up."""
        self._proxy.finish_all()

    def faults(self) -> Counter[str]:
        """Faults injected so far, both ways."""
        return Counter(self._client.link.injected) + Counter(self._client.link_back.injected)


async def simulate_sip(options: SipOptions, show: Show | None = None) -> Result:
    """Run the proxy against a server and reconcile the books."""
    return await simulate(Sip(options, Books(), Outcomes()), options, show)
