"""The commands ``simulate mno``, ``sip``, ``faults`` and ``scenario``, to be mounted in a larger command line.

Exit status: 0 the run ended in order and the books agree; 1 they do not; 3 nobody to talk to.
"""

import asyncio
import sys
import tomllib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console

from simulators.api import ApiError
from simulators.books import Books
from simulators.diameter_client import Refused
from simulators.display import print_result, print_story, show_live
from simulators.gateway import PROFILES
from simulators.mno import Mno
from simulators.page import render
from simulators.report import Outcomes
from simulators.run import Network, simulate
from simulators.scenario import Place, names, read, tell
from simulators.settings import Mix, MnoOptions, Settings, SimulationOptions, SipOptions, parse_share
from simulators.sip import Sip

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
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


def _setting(name: str, kind: Any, text: str) -> Callable[[F], F]:
    """An option for a key of ``[simulators]``; ``OCS_SIMULATORS__<KEY>`` in the environment does the same."""
    flag = "--" + name.replace("_", "-")
    return click.option(flag, name, type=kind, envvar=f"OCS_SIMULATORS__{name.upper()}", help=text)


_LOAD = (
    _setting("subscribers", click.IntRange(1, 9999), "How many take part."),
    _setting("credit", str, "What each account that is opened is topped up with."),
    _setting("rate", float, "New sessions, calls and messages per second."),
    _setting("duration", float, "Seconds during which something new starts."),
    _setting("seed", int, "Same seed, same traffic and faults."),
    _setting("duplicate", Share(), "Share of messages sent twice."),
    _setting("drop", Share(), "Share of messages lost."),
    _setting("delay", Share(), "Share of messages that come late."),
    _setting("delay_seconds", float, "How late at most."),
    _setting("reorder", Share(), "Share of messages overtaken by the next."),
    click.option("--host", default="127.0.0.1", show_default=True, help="Address of the server."),
    click.option("--http", help="Base URL of the HTTP API. Default: as ports.json says, else http://127.0.0.1:8080."),
    click.option("--token", default="", envvar="OCS_TOKEN", help="Bearer token for the HTTP API."),
    click.option("--json", "as_json", is_flag=True, help="Write the result as JSON to standard output."),
    click.option("--quiet", is_flag=True, help="No live figures."),
)
_PORT = click.option("--port", type=int, help="Port of the door. Default: as ports.json says, else the usual one.")
_USUAL = {"diameter": 3868, "sip": 5060, "http": 8080}


def _options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


_SERVER = _options(
    *(_setting(name, float, "Instead of the scenario's.") for name in ("rate", "duration")),
    _setting("seed", int, "Same seed, same traffic and faults."),
    click.option("--host", default="127.0.0.1", show_default=True, help="Address of the server."),
    click.option("--diameter-port", type=int, help="Default: as ports.json says, else 3868."),
    click.option("--sip-port", type=int, help="Default: as ports.json says, else 5060."),
    click.option("--http", help="Base URL of the HTTP API. Default: as ports.json says, else http://127.0.0.1:8080."),
    click.option("--token", default="", envvar="OCS_TOKEN", help="Bearer token for the HTTP API."),
    click.option("--report", type=click.Path(path_type=Path), help="Write a report with curves to this HTML file."),
    click.option("--json", "as_json", is_flag=True, help="Write the result as JSON to standard output."),
    click.option("--quiet", is_flag=True, help="No live figures."),
)


@click.group()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("config.toml"),
    show_default=True,
    help="File whose table [simulators] holds the defaults of the options.",
)
@click.pass_context
def simulate_command(context: click.Context, /, config: Path) -> None:
    """Simulated networks that spend from the server's accounts, and check its books against their own."""
    try:
        table = tomllib.loads(config.read_text()).get("simulators", {}) if config.exists() else {}
        context.obj = msgspec.convert(table, Settings)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{config}: {error}") from None


@simulate_command.command("mno")
@_options(*_LOAD)
@_PORT
@click.option("--realm", default="example.net", show_default=True, help="Destination-Realm.")
@_setting("cut", Share(), "Share of messages in which the connection breaks.")
@_setting("overuse", Share(), "Share of data sessions that do not stop at the end of a quota.")
@_setting("speed", float, "Simulated seconds per second.")
@_setting("tx", float, "Seconds after which an unanswered request is repeated.")
@_setting("attempts", int, "How often a request is sent at most.")
@click.option("--mix", type=(float, float, float), default=(5, 2, 3), show_default=True, help="Data, voice, SMS.")
@click.option("--profile", type=click.Choice(sorted(PROFILES)), help="Whose ways the packet gateway has.")
@click.pass_context
def mno(context: click.Context, /, mix: tuple[float, float, float], profile: str | None, **given: Any) -> None:
    """A packet gateway, an IMS core and an SMS centre over Diameter."""
    shared = _common(context, given, "diameter")
    weights = Mix(data=mix[0], voice=mix[1], sms=mix[2])
    options = MnoOptions(**shared, realm=given["realm"], mix=weights, profile=profile or "")
    _run(Mno(options, Books(), Outcomes()), options, given)


@simulate_command.command("sip")
@_options(*_LOAD)
@_PORT
@_setting("t1", float, "Timer T1 in seconds.")
@_setting("cut", Share(), "Share of messages in which the connection breaks (TCP only).")
@click.option("--transport", type=click.Choice(["udp", "tcp"]), default="udp", show_default=True, help="What to use.")
@click.pass_context
def sip(context: click.Context, /, transport: str, **given: Any) -> None:
    """A SIP proxy with callers."""
    options = SipOptions(**_common(context, given, "sip"), transport=transport)
    _run(Sip(options, Books(), Outcomes()), options, given)


@simulate_command.command("scenario")
@click.argument("name", required=False)
@_SERVER
@click.pass_context
def scenario(context: click.Context, /, name: str | None, **given: Any) -> None:
    """Play a scenario by its name or file, over both doors; without a name, list those that come along."""
    if name is None:
        for one in names():
            click.echo(f"{one:22} {read(one).title}")
        return
    _tell(context, name, given)


@simulate_command.command("faults")
@_SERVER
@click.pass_context
def faults(context: click.Context, /, **given: Any) -> None:
    """Messages lost, repeated, late, reordered and cut off, over both doors: the books must be right all the same."""
    _tell(context, "faults", given)


def _tell(context: click.Context, name: str, given: dict[str, Any]) -> None:
    try:
        played = read(name)
        changed = {key: given[key] for key in ("duration", "seed", "rate") if given[key] is not None}
        played = msgspec.structs.replace(played, load=msgspec.structs.replace(played.load, **changed))
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{name}: {error}") from None
    root = context.find_root().params
    ports = _USUAL | _ports(root.get("directory"))
    place = Place(
        host=given["host"],
        diameter=given["diameter_port"] or ports["diameter"],
        sip=given["sip_port"] or ports["sip"],
        http=given["http"] or root.get("url") or f"http://{given['host']}:{ports['http']}",
        token=given["token"] or root.get("token") or "",
    )
    console = Console(stderr=True)

    async def show(networks: Sequence[Network]) -> None:
        await show_live(networks, console)

    story = _outcome(tell(name, played, place, None if given["quiet"] else show), console)
    if given["report"]:
        given["report"].write_text(render(story))
    if given["as_json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(story)))
    else:
        print_story(Console(), story)
    sys.exit(0 if story.good else DISAGREE)


def _common(context: click.Context, given: dict[str, Any], door: str) -> dict[str, Any]:
    """The options both kinds share."""
    changed = {name: given[name] for name in Settings.__struct_fields__ if given.get(name) is not None}
    try:
        settings = msgspec.structs.replace(context.obj, **changed)
        settings.__post_init__()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    root = context.find_root().params
    ports = _USUAL | _ports(root.get("directory"))
    return {
        "settings": settings,
        "host": given["host"],
        "port": given["port"] or ports[door],
        "http": given["http"] or root.get("url") or f"http://{given['host']}:{ports['http']}",
        "token": given["token"] or root.get("token") or "",
    }


def _ports(directory: Path | None) -> dict[str, int]:
    """Where a daemon of this directory listens; nothing if none runs."""
    try:
        return msgspec.json.decode((directory or Path("var")).joinpath("ports.json").read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}


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


def _outcome(run: Coroutine[Any, Any, R], console: Console) -> R:
    try:
        return asyncio.run(run)
    except (ApiError, Refused, OSError, TimeoutError) as error:
        console.print(f"error: {error}", highlight=False)
        sys.exit(UNREACHABLE)
