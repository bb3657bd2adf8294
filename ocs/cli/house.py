"""``ocs serve``, ``check-config``, ``audit`` and ``peer``: the house itself."""

import asyncio
import faulthandler
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Group

from balances.settings import EMBEDDED
from charging.catalogue import CatalogueError, load
from ocs import config as configuration
from ocs import logs
from ocs.cli.client import NOT_SO, Session, fail, json_option, show, table
from ocs.cli.replays import replay_journal
from ocs.config import Config, ConfigError
from ocs.directory import Directory, DirectoryInUse

_config = click.option(
    "--config", "path", type=click.Path(path_type=Path), help="TOML file. Default: config.toml, if it is there."
)


@click.command()
@_config
@click.option("--sample", is_flag=True, help="Sample catalogue; sample accounts if the embedded store is empty.")
def serve(path: Path | None, sample: bool) -> None:
    """Serve until SIGTERM or SIGINT, then drain: a second signal ends it at once."""
    settings = _read(path)
    if sample:
        charging = msgspec.structs.replace(settings.charging, catalogue="sample")
        settings = msgspec.structs.replace(settings, charging=charging)
    logs.set_up(settings.daemon.log_format, settings.daemon.log_level)
    try:
        with Directory(Path(settings.daemon.directory)) as directory:
            _prepare_metrics(settings, directory)
            _run(settings, directory, sample)
    except (DirectoryInUse, OSError) as problem:
        fail(str(problem), NOT_SO)


def _prepare_metrics(settings: Config, directory: Directory) -> None:
    """With workers, metrics go through files: prometheus_client looks for this when it is first imported."""
    if settings.daemon.workers > 1:
        files = directory.path / "metrics"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(files)


def _run(settings: Config, directory: Directory, sample: bool) -> None:
    import uvloop

    from ocs.daemon import CANNOT_START, Daemon
    from ocs.sockets import allow_many

    allow_many()
    faulthandler.enable()  # a watchdog's SIGABRT leaves the stacks in the log
    try:
        uvloop.run(Daemon(settings, directory, sample=sample).run())
    except CANNOT_START as problem:
        fail(str(problem), NOT_SO)


def _read(path: Path | None) -> Config:
    try:
        return configuration.load(path, os.environ)
    except ConfigError as problem:
        fail(str(problem), NOT_SO)


@click.command("check-config")
@_config
@click.option("--probe", is_flag=True, help="Also connect to the store (not the embedded one), as a start would.")
@json_option
def check_config(path: Path | None, probe: bool, as_json: bool) -> None:
    """Check the configuration, environment included, and the catalogue it names; exit 1 with the reason."""
    settings = _read(path)
    try:
        load(settings.charging.catalogue)
    except CatalogueError as error:
        fail("\n".join(map(str, error.problems)), NOT_SO)
    except OSError as error:
        fail(f"charging.catalogue {settings.charging.catalogue}: {error.strerror}", NOT_SO)
    if probe:
        _probe(settings)
    data = msgspec.to_builtins(settings)
    show(data, as_json, lambda _: "good")


def _probe(settings: Config) -> None:
    from balances.ledger import Unavailable
    from balances.server import StoreRefused
    from balances.store import StoreLedger
    from balances.topology import link_to
    from ocs.daemon import store_target

    if settings.balances.url == EMBEDDED:
        click.echo("the store is the embedded one: it is there when the daemon runs", err=True)
        return

    async def connect() -> None:
        link = link_to(store_target(settings.balances), name="ocs-probe", timeout=settings.balances.timeout)
        await link.open(patience=settings.balances.timeout)
        try:
            for warning in await StoreLedger(link).prepare(settings.balances.durability):
                click.echo(f"warning: {warning}", err=True)
        finally:
            await link.close()

    try:
        asyncio.run(connect())
    except (OSError, StoreRefused, Unavailable) as problem:
        fail(f"balances.url: {problem}", NOT_SO)


@click.command()
@click.option("--replay", is_flag=True, help="Make all books again from the journal, and compare them with the store.")
@click.option(
    "--journal",
    "journals",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="With --replay: the journal's directory, of each node that kept it. Default: <directory>/journal.",
)
@_config
@json_option
@click.pass_obj
def audit(session: Session, replay: bool, journals: tuple[Path, ...], path: Path | None, as_json: bool) -> None:
    """Do the books close? Sums every account and compares with the house's mirror; exit 1 if they do not.

    --replay reads the journal's files and the store itself, beside the daemon and without it.
    """
    if replay:
        replay_journal(_read(path), session.directory, journals, as_json)
        return
    found = session.call("GET", "v1", "audit")
    show(found, as_json, _audit)
    if not found["balanced"]:
        sys.exit(NOT_SO)


def _audit(data: Any) -> object:
    names = ("credited", "debited", "reserved", "available", "overrun", "in_transit")
    rows = [(currency, *(sums[name] for name in names)) for currency, sums in data["currencies"].items()]
    title = f"books balanced: {'yes' if data['balanced'] else 'NO'}; {data['accounts']} accounts"
    return Group(table(("", *(f">{name}" for name in names)), rows, title=title), *data["findings"])


@click.group()
def peer() -> None:
    """Diameter peers and SIP proxies."""


@peer.command("list")
@json_option
@click.pass_obj
def list_peers(session: Session, as_json: bool) -> None:
    """List who is connected."""
    names = ("name", "door", "state", "address", "since")
    show(
        session.call("GET", "v1", "peers"),
        as_json,
        lambda data: table(
            (*names, "counters"),
            (
                (*(one[name] for name in names), ", ".join(f"{k} {v}" for k, v in one["counters"].items()))
                for one in data["peers"]
            ),
        ),
    )
