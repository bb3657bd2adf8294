"""The commands, put together. Those that look at data ask the running daemon over HTTP."""

from pathlib import Path

import click

import ocs
from ocs.cli import accounts, catalogues, house, prices, sessions
from ocs.cli.client import Session
from simulators.cli import simulate_command

_EXIT = """\b
Exit status:
  0  done; what was asked is so
  1  what was asked is not so: books that do not balance, a configuration or catalogue with mistakes
  2  the command line makes no sense
  3  no daemon answers
  4  the daemon refuses, or knows no such thing
"""


@click.group(epilog=_EXIT, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ocs.__version__, prog_name="ocs")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path("var"),
    envvar="OCS_DAEMON__DIRECTORY",
    show_default=True,
    help="The daemon's directory, where ports.json says how to reach it.",
)
@click.option("--url", envvar="OCS_URL", help="Base URL of the HTTP API, instead of looking into ports.json.")
@click.option("--token", envvar="OCS_TOKEN", default="", help="Bearer token for the HTTP API.")
@click.pass_context
def main(context: click.Context, directory: Path, url: str | None, token: str) -> None:
    """Real-time online charging: Diameter Gy/Ro and SIP credit control on one balance."""
    context.obj = Session(directory=directory, url=url, token=token)


main.add_command(house.serve)
main.add_command(house.check_config)
main.add_command(house.audit)
main.add_command(house.peer)
main.add_command(accounts.account)
main.add_command(sessions.session)
main.add_command(catalogues.catalogue)
main.add_command(prices.price)
main.add_command(simulate_command, "simulate")
