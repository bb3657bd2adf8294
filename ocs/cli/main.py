"""The commands, put together. Those that look at data ask the running daemon over HTTP."""

from importlib import import_module
from pathlib import Path

import click

import ocs
from ocs.cli.client import Session

_COMMANDS = {
    "serve": "ocs.cli.house:serve",
    "check-config": "ocs.cli.house:check_config",
    "account": "ocs.cli.accounts:account",
    "voucher": "ocs.cli.vouchers:voucher",
    "session": "ocs.cli.sessions:session",
    "peer": "ocs.cli.house:peer",
    "catalogue": "ocs.cli.catalogues:catalogue",
    "portability": "ocs.cli.portability:portability",
    "price": "ocs.cli.prices:price",
    "audit": "ocs.cli.house:audit",
    "trace": "ocs.cli.tracing:trace",
    "simulate": "ocs.cli.simulations:simulate",
    "backup": "ocs.cli.backups:back_up",
    "bench": "ocs.cli.benching:bench",
}
"""Where each command lives; it is imported when it is called, so that none waits for the others' libraries."""


class _Commands(click.Group):
    """The table above as a group."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


_EXIT = """\b
Exit status:
  0  done; what was asked is so
  1  what was asked is not so: books that do not balance, a configuration or catalogue with mistakes
  2  the command line makes no sense
  3  no daemon answers
  4  the daemon refuses, or knows no such thing
"""


@click.group(cls=_Commands, epilog=_EXIT, context_settings={"help_option_names": ["-h", "--help"]})
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
