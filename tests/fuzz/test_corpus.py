"""The kept corpus: each input once led a codec where none had led it before, or broke it."""

from pathlib import Path

import pytest

from tests.fuzz.codecs import CORPUS, TARGETS

INPUTS = [(name, path) for name in TARGETS for path in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize(
    ("target", "path"), INPUTS, ids=lambda value: value.name[:12] if isinstance(value, Path) else value
)
def test_input(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


def test_there_is_a_corpus_for_each_codec() -> None:
    assert {name for name, _ in INPUTS} == set(TARGETS)
