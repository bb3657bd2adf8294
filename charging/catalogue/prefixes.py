"""Longest-prefix tables: numbers to destinations, networks to zones. Asking costs the same however many prefixes."""

from collections.abc import Mapping
from typing import Generic, TypeVar

V = TypeVar("V")


class Prefixes(Generic[V]):
    """What the longest prefix of a word says: one look-up for each length of prefix that there is, at most."""

    def __init__(self, table: Mapping[str, V]) -> None:
        self._table = table if isinstance(table, dict) else dict(table)
        self.lengths: list[int] = sorted({len(prefix) for prefix in self._table}, reverse=True)

    def __len__(self) -> int:
        return len(self._table)

    def zone(self, word: str) -> V | None:
        """What the longest prefix says; None: no prefix fits."""
        size = len(word)
        for length in self.lengths:
            if length <= size:
                found = self._table.get(word[:length])
                if found is not None:
                    return found
        return None

    def all(self, word: str) -> list[V]:
        """What every prefix that fits says, the longest first."""
        found = [self._table.get(word[:length]) for length in self.lengths if length <= len(word)]
        return [value for value in found if value is not None]
