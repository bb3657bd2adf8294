"""Lines of keys, held against documents of every shape."""

import tomllib

import pytest

from charging.catalogue.positions import Path, lines

DOCUMENT = '''# comment with = and [brackets]
top = 1
"quoted key" = "a # no comment, [no] {table}"   # a comment
[a.b]   # header
x = [1, 2,
     3]
y = { p = 1, q = [
    "]", '}',
] }
text = """
[not.a.table]
k = 1
"""
literal = \'\'\'
x = 2\'\'\'
dotted.key = 2024-01-01T00:00:00Z

[[rows]]
name = "one"
[[rows]]
name = "two"
[rows.sub]
deep = { a.b = 1 }
'''

EXPECTED: dict[Path, int] = {
    ("top",): 2,
    ("quoted key",): 3,
    ("a", "b"): 4,
    ("a", "b", "x"): 5,
    ("a", "b", "x", 2): 6,
    ("a", "b", "y", "p"): 7,
    ("a", "b", "y", "q", 1): 8,
    ("a", "b", "text"): 10,
    ("a", "b", "literal"): 14,
    ("a", "b", "dotted", "key"): 16,
    ("rows", 0): 18,
    ("rows", 0, "name"): 19,
    ("rows", 1, "name"): 21,
    ("rows", 1, "sub", "deep", "a", "b"): 23,
}


def paths(value: object, path: Path = ()) -> set[Path]:
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found |= paths(inner, (*path, number))
    return found


@pytest.mark.parametrize(("path", "line"), EXPECTED.items())
def test_lines(path: Path, line: int) -> None:
    assert lines(DOCUMENT)[path] == line


def test_every_value_has_a_line_and_nothing_else_has() -> None:
    missing = paths(tomllib.loads(DOCUMENT)) ^ set(lines(DOCUMENT))
    assert missing <= {("a",)}  # named by no line of its own
