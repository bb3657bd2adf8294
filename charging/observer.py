"""What charging lets be observed; metrics implement it, charging does not know them."""

from typing import Protocol

from balances.ledger import Unit
from charging.event import ChargingEvent, Outcome


class Observer(Protocol):
    """Notices of things an operator should see. Called in line: implementations only count or log."""

    def handled(self, event: ChargingEvent, outcome: Outcome) -> None:
        """A request was answered, whatever came of it; told of each, on the hot path."""
        ...

    def report_capped(self, door: str, session: str, unit: Unit, reported: int) -> None:
        """A client reported more than one report can hold; the largest accepted was charged."""
        ...

    def unit_mismatch(self, door: str, session: str, reported: Unit, rated: Unit) -> None:
        """Usage was reported in a unit that the rate does not price; it was not charged."""
        ...

    def unquoted_usage(self, door: str, session: str, key: str) -> None:
        """Usage was reported of a service that nothing was agreed on; it could not be charged."""
        ...

    def terms_reread(self, reason: str) -> None:
        """The terms in mind were older than the vault's and were read again."""
        ...

    def warning_reached(self, account: str, meter: str) -> None:
        """An account has spent, in this period, the share of a meter's cap from which on its owner is warned."""
        ...


class Silent:
    """Observes nothing."""

    def handled(self, event: ChargingEvent, outcome: Outcome) -> None:
        pass

    def report_capped(self, door: str, session: str, unit: Unit, reported: int) -> None:
        pass

    def unit_mismatch(self, door: str, session: str, reported: Unit, rated: Unit) -> None:
        pass

    def unquoted_usage(self, door: str, session: str, key: str) -> None:
        pass

    def terms_reread(self, reason: str) -> None:
        pass

    def warning_reached(self, account: str, meter: str) -> None:
        pass
