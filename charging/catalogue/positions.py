"""In which line of a TOML document each key stands.

``tomllib`` does not say. This walks over a document that it has already accepted, so it need not judge, only count.
"""

import re
import tomllib
from bisect import bisect_left

Path = tuple[str | int, ...]

_KEY = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\]|\\.)*"|\'[^\']*\'', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def lines(text: str) -> dict[Path, int]:
    """The line (from 1) of every key, table and array element, by its path from the document's root."""
    return _Walk(text).document()


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.at = 0
        self.found: dict[Path, int] = {}
        self.elements: dict[Path, int] = {}

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self.skip():
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
        return self.found

    def skip(self) -> bool:
        """Go over blanks and comments; is anything left?"""
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at
        return self.at < len(self.text)

    def mark(self, path: Path) -> None:
        self.found.setdefault(path, bisect_left(self.ends, self.at) + 1)

    def header(self) -> Path:
        array = self.text.startswith("[[", self.at)
        here = self.at
        self.at += 2 if array else 1
        path = self.resolve(self.keys())
        end = self.at + (2 if array else 1)
        self.at = here
        if array:
            number = self.elements.get(path, -1) + 1
            self.elements[path] = number
            self.mark(path)
            path = (*path, number)
        self.mark(path)
        self.at = end
        return path

    def resolve(self, keys: tuple[str, ...]) -> Path:
        """Names inside an array of tables mean its latest element."""
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self.elements:
                path = (*path, self.elements[path])
        return (*path, keys[-1])

    def keys(self) -> tuple[str, ...]:
        names: list[str] = []
        while match := _KEY.match(self.text, self.at):
            quoted = match[1][0] in "\"'"
            names.append(str(tomllib.loads(f"v = {match[1]}")["v"]) if quoted else match[1])
            self.at = match.end()
            if not self.text.startswith(".", self.at):
                break
            self.at += 1
        return tuple(names)

    def pair(self, table: Path) -> None:
        here = self.at
        path: Path = (*table, *self.keys())
        after = self.at
        self.at = here
        for depth in range(len(table) + 1, len(path) + 1):
            self.mark(path[:depth])
        self.at = after + 1  # the equals sign
        self.value(path)

    def value(self, path: Path) -> None:
        self.skip()
        opening = self.text[self.at]
        if opening in "[{":
            self.collection(path, "]" if opening == "[" else "}")
            return
        match = (_STRING if opening in "\"'" else _SCALAR).match(self.text, self.at)
        self.at = match.end() if match else self.at + 1

    def collection(self, path: Path, closing: str) -> None:
        self.at += 1
        number = 0
        while self.skip() and self.text[self.at] != closing:
            if self.text[self.at] == ",":
                self.at += 1
            elif closing == "}":
                self.pair(path)
            else:
                self.mark((*path, number))
                self.value((*path, number))
                number += 1
        self.at += 1
