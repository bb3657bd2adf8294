"""An IMS core's charging trigger: voice calls, each a credit session over seconds (SCUR, context 32260)."""

from random import Random

from simulators.books import Item, Service
from simulators.clients import SessionRunner, session_ids
from simulators.credit import KeyId, Meter, Profile
from simulators.quota import KeyMeter
from simulators.session import CreditSession
from simulators.traffic import Subscriber

HOST = "as1.ims.example.net"
VOICE = Profile(name="voice", context="32260@3gpp.org", meter=Meter.SECONDS, host=HOST)
KEY = KeyId(100, 1000)
WANTED_SECONDS = 60
RING_MS = (1_000, 15_000)
TALK_MS = (5_000, 180_000)
ANSWERED_SHARE = 0.75
CALLED_PREFIX = "4930"


class ImsCore:
    """Starts voice calls. The quota is asked for at INVITE, the metering begins with the answer."""

    def __init__(self, runner: SessionRunner) -> None:
        self._runner = runner
        self._random = Random(f"{runner.settings.seed}:ims")
        self._ids = session_ids(HOST, runner.settings.seed)

    async def start(self, subscriber: Subscriber, due: float) -> None:
        """Run one call of a subscriber: ringing, talking if it is answered, hanging up or being cut."""
        random, now = self._random, self._runner.clock.now()
        answered_at = now + random.randint(*RING_MS)
        ends_at = answered_at
        if random.random() < ANSWERED_SHARE:
            ends_at += random.randint(*TALK_MS)
        session = next(self._ids)
        item = Item(subscriber.account, Service.VOICE, session, "voice")
        self._runner.books.open(item)
        call = CreditSession(
            session,
            subscriber,
            VOICE,
            (KeyMeter(KEY, 1, (answered_at, ends_at), wanted=WANTED_SECONDS, eager=True),),
            (item,),
            self._runner.books,
            ends_at=ends_at,
            called=f"{CALLED_PREFIX}{random.randint(1_000_000, 9_999_999)}",
        )
        await self._runner.run(call, due)
