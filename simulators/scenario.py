"""Named scenarios from files: what two networks do at once to one server, and whether the books of all agree."""

import asyncio
import time
import tomllib
from collections.abc import Callable, Coroutine, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from simulators.api import Api
from simulators.books import Books
from simulators.curves import Curve, Sampler
from simulators.mno import Mno
from simulators.reconcile import Comparison, compare, prepare
from simulators.report import Outcomes
from simulators.run import Network, Result, interruptible, play
from simulators.settings import Mix, MnoOptions, Settings, SipOptions
from simulators.sip import Sip
from simulators.traffic import make_subscribers


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file. The mobile core is always there; the proxy where calls arrive at it."""

    title: str
    first: int
    """Number of its first subscriber: scenarios do not share accounts."""
    amount: str = "10.00"
    """What an account begins with, when a run first needs it."""
    sip_rate: float = 0.0
    """Calls per second at the SIP proxy."""
    shape: tuple[float, ...] = ()
    """Shares of the rate, each for an equal part of the duration; empty: the full rate all the time."""
    load: Settings = Settings()
    mix: Mix = Mix()
    profile: str = ""

    def __post_init__(self) -> None:
        if any(not 0 <= share <= 1 for share in self.shape):
            raise ValueError("shape holds shares from 0 to 1")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server is."""

    host: str
    diameter: int
    sip: int
    http: str
    token: str = ""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What a scenario came to."""

    name: str
    title: str
    runs: tuple[Result, ...]
    comparison: Comparison
    balanced: bool
    """The server's own audit."""
    curves: dict[str, Curve]

    @property
    def good(self) -> bool:
        """All ended in order, and all books agree."""
        return self.balanced and self.comparison.agrees and all(run.finished for run in self.runs)


Show = Callable[[Sequence[Network]], Coroutine[Any, Any, None]]
"""Shows networks until it is cancelled."""


def names() -> list[str]:
    """The scenarios that come along."""
    folder = files("simulators") / "scenarios"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def read(name: str) -> Scenario:
    """One that comes along, or a file; raises OSError, ValueError with the reason."""
    text = (
        (files("simulators") / "scenarios" / f"{name}.toml").read_text() if name in names() else Path(name).read_text()
    )
    return msgspec.convert(tomllib.loads(text), Scenario)


async def tell(name: str, scenario: Scenario, place: Place, show: Show | None) -> Story:
    """Play it. Ctrl-C ends it in order. ``show`` is run beside it."""
    api = Api(place.http, place.token)
    subscribers = make_subscribers(scenario.load.subscribers, f"sim{scenario.first}", scenario.first)
    marks = await prepare(api, subscribers, scenario.amount, f"scenario-{time.time_ns()}")
    books = Books()
    networks = _networks(scenario, place, books)
    await asyncio.gather(*(network.open() for network, _ in networks))
    sampler = Sampler([network for network, _ in networks])
    beside = [asyncio.create_task(sampler.run())]
    if show is not None:
        beside.append(asyncio.create_task(show([network for network, _ in networks])))

    def stop() -> None:
        for network, _ in networks:
            network.loop.stop()

    try:
        with interruptible(stop):
            runs = await asyncio.gather(*(play(network, options, subscribers) for network, options in networks))
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await asyncio.gather(*(network.close() for network, _ in networks))
    comparison = await compare(api, books, marks)
    audit = await api.audit()
    return Story(
        name=name,
        title=scenario.title,
        runs=tuple(runs),
        comparison=comparison,
        balanced=bool(audit["balanced"]),
        curves=sampler.curves,
    )


def _networks(scenario: Scenario, place: Place, books: Books) -> Sequence[tuple[Network, MnoOptions | SipOptions]]:
    core = MnoOptions(
        settings=scenario.load,
        host=place.host,
        port=place.diameter,
        http=place.http,
        token=place.token,
        mix=scenario.mix,
        profile=scenario.profile,
    )
    made: list[tuple[Network, MnoOptions | SipOptions]] = [(Mno(core, books, Outcomes()), core)]
    if scenario.sip_rate:
        calls = msgspec.structs.replace(scenario.load, rate=scenario.sip_rate)
        proxy = SipOptions(settings=calls, host=place.host, port=place.sip, http=place.http, token=place.token)
        made.append((Sip(proxy, books, Outcomes()), proxy))
    for network, _ in made:
        network.shape = scenario.shape
    return made
