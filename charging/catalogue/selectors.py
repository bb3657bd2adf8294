"""What is known of a use, and the conditions a line of a plan (or a bundle) sets on it."""

from balances.ledger import Record
from charging.event import ServiceKind

NOTHING: frozenset[str] = frozenset()

Word = str | int


class Usage(Record, frozen=True, kw_only=True):
    """What is known of a use when its rate is looked for; None and empty where nothing is known."""

    kind: ServiceKind
    rating_group: int | None = None
    service_id: int | None = None
    zone: str | None = None
    """Destination that the other party's number belongs to."""
    caller: str | None = None
    """Destination that the calling number belongs to."""
    incoming: bool = False
    visited: str | None = None
    """Roaming zone of the visited network."""
    location: str | None = None
    context: str = ""
    apn: str = ""
    rat: str = ""
    qos: str = ""
    origin: str = ""
    door: str = ""
    call: frozenset[str] = NOTHING
    """Of which types the call is: national, on-net and so on, several at once."""
    when: frozenset[str] = NOTHING
    """The times that are now."""
    number: str = ""
    """The other party's number, for rate decks."""
    home: str = ""
    at: int = 0

    def known(self) -> tuple[str, ...]:
        """What is known, each as a line of a plan would name it."""
        told = []
        for name in SELECTABLE:
            value = getattr(self, name)
            if value or (value == 0 and name in ("rating_group", "service_id")):
                words = _words(value if isinstance(value, frozenset) else frozenset({value}))
                told.append(f"{SPELLING.get(name, name)} = {words}")
        return tuple(told)


class Selectors(Record, frozen=True, kw_only=True):
    """Conditions: all that is named must fit, what is not named may be anything."""

    one: tuple[tuple[str, frozenset[Word]], ...] = ()
    """Names of Usage's fields and the values that will do."""
    some: tuple[tuple[str, frozenset[str]], ...] = ()
    """The same for fields that hold several values, one of which must do."""

    def fits(self, use: Usage) -> bool:
        for name, values in self.one:
            if getattr(use, name) not in values:
                return False
        return not any(values.isdisjoint(getattr(use, name)) for name, values in self.some)

    def covers(self, other: "Selectors") -> bool:
        """Does everything fit here that fits there?"""
        theirs = dict(other.one) | dict(other.some)
        return all(name in theirs and theirs[name] <= values for name, values in (*self.one, *self.some))

    def names(self) -> frozenset[str]:
        return frozenset(name for name, _ in (*self.one, *self.some))

    def __str__(self) -> str:
        said = [f"{SPELLING.get(name, name)} = {_words(values)}" for name, values in (*self.one, *self.some)]
        return ", ".join(said)


SELECTABLE = (
    "rating_group", "service_id", "zone", "caller", "incoming", "call", "visited", "location", "apn", "rat", "qos",
    "context", "origin", "door", "when",
)  # fmt: skip
"""The fields of a use that lines may name."""

SPELLING = {"zone": "to", "caller": "from"}
"""How a catalogue writes the fields that are called otherwise here."""


def _words(values: frozenset[Word] | frozenset[str]) -> str:
    return " | ".join(sorted(map(str, values)))
