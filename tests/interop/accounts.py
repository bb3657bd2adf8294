"""What calls have cost, as the ledger says: the same questions whoever ends the calls."""

from collections.abc import Sequence
from decimal import Decimal

from tests.interop.daemon import SECOND, SLICE, Daemon


def used(daemon: Daemon, account: str, given: str) -> int:
    """Seconds charged in all, once nothing is held any more: never more than was given and one slice."""
    money = daemon.settled(account)
    assert money["reserved"] == 0
    seconds = (Decimal(given) - money["balance"]) / SECOND
    assert seconds <= Decimal(given) / SECOND + SLICE
    return int(seconds)


def all_used(daemon: Daemon, accounts: Sequence[str], given: str) -> list[int]:
    """The same of many; and the books close over all of them."""
    seconds = [used(daemon, account, given) for account in accounts]
    books_close(daemon)
    return seconds


def sessions(daemon: Daemon, account: str) -> int:
    """How many sessions of the account the ledger knows."""
    return len({entry["session"] for entry in daemon.entries(account) if entry.get("session")})


def books_close(daemon: Daemon) -> None:
    assert daemon.audit()["balanced"] is True
