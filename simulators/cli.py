"""The commands ``simulate mno`` and ``simulate sip``, to be mounted in a larger command line.

Exit status: 0 the run ended in order and the books agree; 1 they do not; 3 nobody to talk to.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console

from simulators.api import ApiError
from simulators.books import Books
from simulators.diameter_client import Refused
from simulators.display import print_result, show_live
from simulators.mno import Mno
from simulators.report import Outcomes
from simulators.run import Network, Result, simulate
from simulators.settings import Mix, MnoOptions, Settings, SimulationOptions, SipOptions, parse_share
from simulators.sip import Sip

F = TypeVar("F", bound=Callable[..., Any])
DISAGREE, UNREACHABLE = 1, 3


class Share(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A probability, written ``1%`` or ``0.01``."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or fail with the reason."""
        try:
            return parse_share(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


_LOAD = (
    click.option("--subscribers", type=click.IntRange(1, 9999), help="How many take part."),
    click.option("--rate", type=float, help="New sessions, calls and messages per second."),
    click.option("--duration", type=float, help="Seconds during which something new starts."),
    click.option("--seed", type=int, help="Same seed, same traffic and faults."),
    click.option("--duplicate", type=Share(), help="Share of messages sent twice."),
    click.option("--drop", type=Share(), help="Share of messages lost."),
    click.option("--delay", type=Share(), help="Share of messages that come late."),
    click.option("--reorder", type=Share(), help="Share of messages overtaken by the next."),
    click.option("--host", default="127.0.0.1", show_default=True, help="Address of the server."),
    click.option("--http", default="http://127.0.0.1:8080", show_default=True, help="Base URL of the HTTP API."),
    click.option("--token", default="", envvar="OCS_TOKEN", help="Bearer token for the HTTP API."),
    click.option("--json", "as_json", is_flag=True, help="Write the result as JSON to standard output."),
    click.option("--quiet", is_flag=True, help="No live figures."),
)


def _options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


@click.group()
def simulate_command() -> None:
    """Simulated networks that spend from the server's accounts, and check its books against their own."""


@simulate_command.command("mno")
@_options(*_LOAD)
@click.option("--port", default=3868, show_default=True, help="Port of the Diameter door.")
@click.option("--realm", default="example.net", show_default=True, help="Destination-Realm.")
@click.option("--cut", type=Share(), help="Share of messages in which the connection breaks.")
@click.option("--overuse", type=Share(), help="Share of data sessions that do not stop at the end of a quota.")
@click.option("--speed", type=float, help="Simulated seconds per second.")
@click.option("--mix", type=(float, float, float), default=(5, 2, 3), show_default=True, help="Data, voice, SMS.")
@click.pass_context
def mno(context: click.Context, /, mix: tuple[float, float, float], **given: Any) -> None:
    """A packet gateway, an IMS core and an SMS centre over Diameter."""
    options = MnoOptions(
        **_common(context, given), realm=given["realm"], mix=Mix(data=mix[0], voice=mix[1], sms=mix[2])
    )
    _run(Mno(options, Books(), Outcomes()), options, given)


@simulate_command.command("sip")
@_options(*_LOAD)
@click.option("--port", default=5060, show_default=True, help="Port of the SIP door.")
@click.option("--t1", type=float, help="Timer T1 in seconds.")
@click.pass_context
def sip(context: click.Context, /, **given: Any) -> None:
    """A SIP proxy with callers."""
    options = SipOptions(**_common(context, given))
    _run(Sip(options, Books(), Outcomes()), options, given)


def _common(context: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The options both kinds share; ``context.obj`` may bring Settings whose values are the defaults."""
    defaults = context.obj if isinstance(context.obj, Settings) else Settings()
    changed = {name: given[name] for name in Settings.__struct_fields__ if given.get(name) is not None}
    try:
        settings = msgspec.structs.replace(defaults, **changed)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return {
        "settings": settings,
        "host": given["host"],
        "port": given["port"],
        "http": given["http"],
        "token": given["token"],
    }


def _run(network: Network, options: SimulationOptions, given: dict[str, Any]) -> None:
    console = Console(stderr=True)

    async def show(shown: Network) -> None:
        await show_live([shown], console)

    result = _outcome(simulate(network, options, None if given["quiet"] else show), console)
    if given["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(result)))
    else:
        print_result(Console(), result, network.outcomes)
    sys.exit(0 if result.agrees else DISAGREE)


def _outcome(run: Coroutine[Any, Any, Result], console: Console) -> Result:
    try:
        return asyncio.run(run)
    except (ApiError, Refused, OSError, TimeoutError) as error:
        console.print(f"error: {error}", highlight=False)
        sys.exit(UNREACHABLE)
