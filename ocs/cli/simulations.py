"""``ocs simulate``: the simulators' commands, with the configuration's defaults, against the daemon that runs here."""

import json
import os
from pathlib import Path
from typing import Any

import click

from ocs import config as configuration
from ocs.cli.client import NOT_SO, Session, fail
from ocs.config import ConfigError
from simulators.cli import simulate_command


@click.group(commands=dict(simulate_command.commands), help=simulate_command.help)
@click.option(
    "--config", "path", type=click.Path(path_type=Path), help="TOML file whose [simulators] table holds the defaults."
)
@click.pass_context
def simulate(context: click.Context, path: Path | None) -> None:
    session: Session = context.obj
    try:
        context.obj = configuration.load(path, os.environ).simulators
    except ConfigError as problem:
        fail(str(problem), NOT_SO)
    context.default_map = {"mno": _whereabouts(session, "diameter"), "sip": _whereabouts(session, "sip")}


def _whereabouts(session: Session, door: str) -> dict[str, Any]:
    """Ports of the daemon that runs on the directory, if one does."""
    known: dict[str, Any] = {}
    try:
        ports = json.loads((session.directory / "ports.json").read_text())
        known = {"port": ports[door], "http": f"http://127.0.0.1:{ports['http']}"}
    except (OSError, ValueError, KeyError):
        pass
    if session.url:
        known["http"] = session.url
    if session.token:
        known["token"] = session.token
    return known
