"""Where something is said in a catalogue, and what is wrong with it there."""

from balances.ledger import Record


class Source(Record, frozen=True, kw_only=True):
    """Where in the catalogue's files something is said."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Problem(Record, frozen=True, kw_only=True):
    """What is wrong with a catalogue, where, and what would help."""

    source: Source
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.source}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class CatalogueError(Exception):
    """The catalogue cannot be used; ``problems`` says all that was found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
