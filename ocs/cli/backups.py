"""``ocs backup``: a copy of the embedded store and the journal, while the daemon serves."""

from pathlib import Path

import click

from ocs.backup import NoBackup, backup
from ocs.cli.client import NOT_SO, Session, fail


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@click.pass_obj
def back_up(session: Session, target: Path) -> None:
    """Copy the embedded store and the journal into the new directory TARGET. Restoring: docs/operations.md."""
    try:
        backup(session.directory, target)
    except (NoBackup, OSError) as problem:
        fail(str(problem), NOT_SO)
    click.echo(f"written: {target}", err=True)
