"""An independent reading of the journal: every account's counters, from docs/journal.md alone. Nothing of ours is used.

usage: python tests/journal_reader.py DIRECTORY...    writes JSON: account -> bucket -> counters; exit 1 for a bad line
"""

import binascii
import json
import sys
from pathlib import Path

COUNTERS = ("credited", "debited", "reserved", "overrun")


def main(directories: list[str]) -> int:
    books: dict[str, dict[str, dict[str, int]]] = {}
    newest: dict[int, tuple[int, int]] = {}
    lines = [
        (path, line)
        for directory in directories
        for path in sorted(Path(directory).glob("journal-*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    for path, line in lines:
        content, mark, checksum = line.rpartition(b',"crc":"')
        if not mark or f"{binascii.crc32(content):08x}" != checksum.decode()[:-2]:
            print(f"{path}: a line is damaged", file=sys.stderr)
            return 1
        entry = json.loads(line)
        milliseconds, _, sequence = entry["id"].partition("-")
        place = (int(milliseconds), int(sequence))
        if len(directories) == 1 and place <= newest.get(entry["shard"], (0, 0)):
            print(f"{path}: {entry['id']} of shard {entry['shard']} comes twice or too late", file=sys.stderr)
            return 1
        newest[entry["shard"]] = place
        for change in entry["lines"]:
            bucket = books.setdefault(entry["account"], {}).setdefault(change["bucket"], dict.fromkeys(COUNTERS, 0))
            for counter in COUNTERS:
                bucket[counter] += change[counter]
    json.dump(books, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
