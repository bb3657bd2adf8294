"""The online charging server: the Diameter door, and the house around both doors: daemon, command line, HTTP."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ocs")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0"
