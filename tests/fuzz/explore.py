"""python -m tests.fuzz.explore TARGET [--minutes N]: octets that lead the codec where none has led it before.

Guided by coverage (atheris). What breaks a codec is written to ``crash-*``, with the traceback on the terminal. With
``--keep`` the smallest of the inputs that lead further go into the corpus.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["ocs.diameter", "ocs.credit_control", "sip_credit"]):
    from tests.fuzz.codecs import CORPUS, TARGETS

PACKAGES = ("ocs/diameter", "ocs/credit_control", "sip_credit/")

LONGEST = 1500
"""Octets of an input."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz-codecs")
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--keep", action="store_true", help="merge what leads further into the corpus")
    parser.add_argument("--engine", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine is not None:
        atheris.Setup([sys.argv[0], f"-max_len={LONGEST}", *options.engine], TARGETS[options.target])
        atheris.Fuzz()  # ends the process
    corpus = CORPUS / options.target
    engine = [sys.executable, "-m", "tests.fuzz.explore", options.target, "--engine"]
    with tempfile.TemporaryDirectory(prefix="ocs-fuzz-") as found:
        limits = [f"-max_total_time={round(options.minutes * 60)}", "-print_final_stats=1"]
        explored = subprocess.run([*engine, *limits, found, str(corpus)], check=False)
        inputs = sorted((path.read_bytes() for path in Path(found).iterdir()), key=len)
        fresh = further(TARGETS[options.target], corpus, inputs)
    print(f"{len(inputs)} inputs lead further by branches, {len(fresh)} by lines", file=sys.stderr)
    for data in fresh if options.keep else ():
        (corpus / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)
    return explored.returncode


def further(run: Callable[[bytes], None], corpus: Path, inputs: list[bytes]) -> list[bytes]:
    """Those that pass from a line of a codec to another as neither the corpus nor a smaller input does."""
    seen = set[tuple[str, int, int]]()
    for path in corpus.iterdir():
        seen |= steps(run, path.read_bytes())
    fresh = []
    for data in inputs:
        new = steps(run, data) - seen
        if new:
            fresh.append(data)
            seen |= new
    return fresh


def steps(run: Callable[[bytes], None], data: bytes) -> set[tuple[str, int, int]]:
    """File, line and the line before it, of all that ran."""
    found = set[tuple[str, int, int]]()

    def trace(frame: FrameType, _event: str, _arg: object) -> Callable[..., object] | None:
        name = frame.f_code.co_filename
        if not any(part in name for part in PACKAGES):
            return None
        last = frame.f_lineno

        def line(frame: FrameType, event: str, _arg: object) -> Callable[..., object]:
            nonlocal last
            if event == "line":
                found.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    sys.settrace(trace)
    try:
        run(data)
    finally:
        sys.settrace(None)
    return found


if __name__ == "__main__":
    sys.exit(main())
