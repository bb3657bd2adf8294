"""Longest-prefix tables: numbers to destinations, networks to zones. Asking costs the same however many prefixes."""

from collections.abc import Iterator, Mapping
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

    def all(self, word: str) -> Iterator[tuple[str, V]]:
        """Every prefix that fits and what it says, the longest first."""
        for length in self.lengths:
            if length <= len(word):
                found = self._table.get(prefix := word[:length])
                if found is not None:
                    yield prefix, found
