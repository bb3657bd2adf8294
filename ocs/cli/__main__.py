"""``python -m ocs.cli`` is ``ocs``."""

from ocs.cli import main

main()
