"""The command line: ``ocs NOUN VERB``. Data goes to standard output, talk to standard error."""

from ocs.cli.main import main

__all__ = ["main"]
