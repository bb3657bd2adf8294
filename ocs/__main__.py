"""``python -m ocs`` is ``ocs``."""

from ocs.cli import main

main()
