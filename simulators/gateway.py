"""A packet gateway (PCEF): data sessions with several rating groups, one credit session each."""

from random import Random

from msgspec.structs import replace

from simulators.books import Books, Item, Service, data_tariff
from simulators.clients import SessionRunner, session_ids
from simulators.credit import KeyId, Meter, Profile
from simulators.quota import KeyMeter
from simulators.session import CreditSession
from simulators.traffic import Subscriber

HOST = "pgw1.example.net"
GATEWAY = Profile(name="data", context="32251@3gpp.org", meter=Meter.OCTETS, host=HOST)
PROFILES = {
    "plain": GATEWAY,
    "open5gs": replace(
        GATEWAY, split_octets=True, keyed=False, asks=1_000_000, action_always=True, agrees_and_forgets=True
    ),
    "magma": replace(GATEWAY, opens_empty=True, asks=160_000, updates_alone=True),
    "staros": replace(GATEWAY, new_identifiers=True, final_after_refusal=True),
}
"""The ways of real gateways, as data: a further one is a line."""
OPEN5GS = PROFILES["open5gs"]
OPEN5GS_SHARE = 0.2
"""Share of sessions in the ways of Open5GS where no profile is chosen; the others are plain."""
RATES = {10: (20_000, 400_000), 20: (5_000, 40_000), 99: (10_000, 100_000), 30: (5_000, 50_000)}
"""Octets per second, from and to, of each rating group's traffic."""
SHARES = {10: 0.9, 20: 0.4, 99: 0.3, 30: 0.2}
"""Share of sessions in which a rating group has traffic."""
LENGTH_MS = (20_000, 240_000)
"""Length of a session, from and to."""


class Gateway:
    """Starts data sessions; what each does is drawn beforehand."""

    def __init__(self, runner: SessionRunner, profile: Profile | None = None) -> None:
        """All sessions in the ways of ``profile``; None: as they come."""
        self._runner = runner
        self._profile = profile
        self._random = Random(f"{runner.settings.seed}:gateway")
        self._ids = session_ids(HOST, runner.settings.seed)

    async def start(self, subscriber: Subscriber, due: float) -> None:
        """Run one data session of a subscriber."""
        await self._runner.run(self._draw(subscriber, self._runner.clock.now(), self._runner.books), due)

    def _draw(self, subscriber: Subscriber, now: int, books: Books) -> CreditSession:
        random = self._random
        session = next(self._ids)
        ends_at = now + random.randint(*LENGTH_MS)
        overuse = random.random() < self._runner.settings.overuse
        profile = OPEN5GS if random.random() < OPEN5GS_SHARE else GATEWAY
        profile = self._profile or profile
        if not profile.keyed:
            rate = random.randint(*RATES[10])
            meters = [KeyMeter(KeyId(), rate, (now, ends_at), wanted=profile.asks, overuse=overuse)]
        else:
            groups = [group for group, share in SHARES.items() if random.random() < share] or [10]
            meters = [
                KeyMeter(
                    KeyId(group),
                    random.randint(*RATES[group]),
                    self._window(now, ends_at),
                    wanted=profile.asks,
                    overuse=overuse,
                )
                for group in groups
            ]
        items = tuple(self._item(subscriber, session, meter) for meter in meters)
        for item in items:
            books.open(item)
        return CreditSession(session, subscriber, profile, tuple(meters), items, books, ends_at=ends_at)

    def _window(self, now: int, ends_at: int) -> tuple[int, int]:
        """Traffic of a rating group: half of the time from the beginning, else somewhere inside the session."""
        random = self._random
        if random.random() < 0.5:
            return now, ends_at
        begins = random.randint(now, ends_at)
        return begins, random.randint(begins, ends_at)

    @staticmethod
    def _item(subscriber: Subscriber, session: str, meter: KeyMeter) -> Item:
        group = meter.key.rating_group
        return Item(subscriber.account, Service.DATA, session, data_tariff(group), str(group))
