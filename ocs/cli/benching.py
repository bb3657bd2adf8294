"""``ocs bench``: the benchmark, where the project's source is at hand."""

import subprocess
import sys
from importlib.util import find_spec

import click

from ocs.cli.client import NOT_SO, fail


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.pass_context
def bench(context: click.Context) -> None:
    """How fast is one worker? Takes the options of scripts/bench (see ocs bench --help)."""
    if find_spec("bench") is None:
        fail("the benchmark comes with the source, not with the installed package", NOT_SO)
    done = subprocess.run([sys.executable, "-m", "bench", *context.args], check=False)  # noqa: S603 - our own module
    sys.exit(done.returncode)
