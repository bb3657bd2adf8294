"""The dictionaries: what AVPs and commands are, read from ``dictionaries/*.dia`` at import.

``avp("Rating-Group")`` is the definition of an AVP, which decodes it from and encodes it to octets; ``command(272,
REQUEST)`` is the grammar of a command. The typed constants in ``avps`` are these definitions by name.
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from typing import Any, Final, Generic, TypeVar

from ocs.diameter.codes import ResultCode
from ocs.diameter.datatypes import DATA_TYPES, OCTET_STRING, DataType, Malformed
from ocs.diameter.errors import LocalError, RemoteError

T = TypeVar("T")

VENDOR_FLAG: Final = 0x80
MANDATORY_FLAG: Final = 0x40
FRAME: Final = VENDOR_FLAG << 24 | 0xFFFFFF
"""The V flag, which makes the header 4 octets longer, and the length, in the second word of an AVP's header."""

_FILES: Final = ("base.dia", "credit_control.dia", "tgpp.dia", "sy.dia")
_TWO_WORDS = struct.Struct(">II")
_WORD = struct.Struct(">I")
_PADDING: Final = (b"", b"\x00\x00\x00", b"\x00\x00", b"\x00")


def avp_key(vendor: int, code: int) -> int:
    """What an AVP is known by: its code in the vendor's space."""
    return vendor << 32 | code


class Rule:
    """One line of a grammar: which AVP, at least and at most how often (None: any number)."""

    __slots__ = ("avp", "frame", "maximum", "minimum", "quick")

    def __init__(self, avp: "Avp[Any]", minimum: int, maximum: int | None) -> None:
        self.avp = avp
        self.minimum = minimum
        self.maximum = maximum
        self.frame = avp.frame
        self.quick = avp.quick


class Grammar:
    """The rules of a command or a group, by AVP key."""

    __slots__ = ("keys", "name", "required", "rules")

    def __init__(self, name: str, rules: Iterable[Rule]) -> None:
        self.name = name
        self.rules: dict[int, Rule] = {rule.avp.key: rule for rule in rules}
        self.required: tuple[Rule, ...] = tuple(rule for rule in self.rules.values() if rule.minimum)
        self.keys = frozenset(rule.avp.key for rule in self.required)


class Avp(Generic[T]):
    """The definition of an AVP whose values are of type T. Encodes with a header prepared once."""

    __slots__ = (
        "_decode",
        "_overhead",
        "_prefix",
        "_short",
        "_size",
        "_whole",
        "code",
        "frame",
        "grammar",
        "key",
        "mandatory",
        "name",
        "quick",
        "type",
        "values",
        "vendor",
    )

    def __init__(self, name: str, code: int, vendor: int, data_type: DataType, mandatory: bool) -> None:
        self.name = name
        self.code = code
        self.vendor = vendor
        self.key = avp_key(vendor, code)
        self.type = data_type
        self._size = data_type.size
        self._decode = data_type.decode
        self.mandatory = mandatory
        self.values: dict[int, str] = {}
        """Names of the values of an Enumerated; empty if any number goes."""
        self.grammar: Grammar | None = None
        """Members, if it is Grouped and the dictionary knows them."""
        self._overhead = 12 if vendor else 8
        self.frame: int | None = None
        """The V flag and the length of the whole AVP, as the second word of its header has them; None if it varies."""
        if data_type.size is not None:
            self.frame = (VENDOR_FLAG << 24 if vendor else 0) | self._overhead + data_type.size
        self._whole = self._overhead + (data_type.size or 0)
        self.quick: Callable[[bytes, int], tuple[Any, ...]] | None = None
        """Unpacks the second word of the header and the value of a plain number in one step; None: it is no such."""
        if data_type.layout:
            self.quick = struct.Struct(f">I{'4x' if vendor else ''}{data_type.layout}").unpack_from
        flags = (VENDOR_FLAG if vendor else 0) | (MANDATORY_FLAG if mandatory else 0)
        self._prefix = (code << 32) | (flags << 24)
        self._short = b"" if data_type.size is None else self._header(data_type.size)

    def __repr__(self) -> str:
        return f"<{self.name} {self.code}{f' of {self.vendor}' if self.vendor else ''} {self.type.name}>"

    def _header(self, size: int) -> bytes:
        header = (self._prefix | (self._overhead + size)).to_bytes(8, "big")
        return header + _WORD.pack(self.vendor) if self.vendor else header

    def encode(self, value: T) -> bytes:
        """The complete AVP: header, value, padding. A group's value is its complete members."""
        payload = self.type.encode(value)
        if self._short:
            return self._short + payload
        size = len(payload)
        if size > 0xFFFFF0:
            raise LocalError(f"{self.name} of {size} octets does not fit")
        return self._header(size) + payload + _PADDING[size & 3]

    def decode(self, buffer: bytes, position: int = 0) -> T:
        """The value of the complete AVP at ``position``; its framing must have been checked. Raises RemoteError."""
        quick = self.quick
        if quick is not None and len(buffer) - position >= self._whole:
            word, value = quick(buffer, position + 4)
            if word & FRAME == self.frame:
                return value  # type: ignore[no-any-return]
        word = _WORD.unpack_from(buffer, position + 4)[0]
        start = position + (12 if word & 0x80000000 else 8)
        end = position + (word & 0xFFFFFF)
        if end - start != self._size and (self._size is not None or end - start < self.type.minimum):
            raise self.wrong_length(buffer, position)
        try:
            return self._decode(buffer, start, end)  # type: ignore[no-any-return]
        except Malformed as error:
            raise RemoteError(ResultCode.INVALID_AVP_VALUE, f"{self.name}: {error}", cut(buffer, position)) from None

    def wrong_length(self, buffer: bytes, position: int) -> RemoteError:
        """5014: the header as received with a zero payload of the type's least size (RFC 6733 section 7.1.5)."""
        return RemoteError(
            ResultCode.INVALID_AVP_LENGTH,
            f"{self.name} has a wrong length",
            bytes(buffer[position : position + self._overhead])
            + bytes(self.type.minimum)
            + _PADDING[self.type.minimum & 3],
        )

    def example(self) -> bytes:
        """The AVP with the least payload of zeros, as a Failed-AVP shows a missing one (RFC 6733 section 7.5)."""
        size = self.type.minimum
        return self._header(size) + bytes(size) + _PADDING[size & 3]


def cut(buffer: bytes, position: int) -> bytes:
    """The complete AVP at ``position`` with its padding, as it came."""
    length = _TWO_WORDS.unpack_from(buffer, position)[1] & 0xFFFFFF
    return buffer[position : position + length] + _PADDING[length & 3]


class GroupedAvp(Avp[Any]):
    """A grouped AVP. Its members are decoded by the Message or Group that holds it."""

    __slots__ = ()

    def encode(self, value: Iterable[bytes]) -> bytes:
        """The complete AVP of complete members."""
        return super().encode(b"".join(value))


GROUPED: Final = DataType("Grouped", None, OCTET_STRING.decode, OCTET_STRING.encode)

AVPS: Final[dict[int, Avp[Any]]] = {}
"""Every definition, by key."""

COMMANDS: Final[dict[tuple[int, bool], Grammar]] = {}
"""Every command's grammar, by code and whether it is a request."""

_BY_NAME: dict[str, Avp[Any]] = {}

_DEFINITION = re.compile(r"^(\S+)\s+(\d+)\s+(\w+)\s+([M-])$")
_GROUP = re.compile(r"^(\S+)\s+::=\s+<\s*AVP Header:\s*(\d+)\s*>$")
_COMMAND = re.compile(r"^<(\w+)>\s+::=\s+<\s*Diameter Header:\s*(\d+)((?:,\s*\w+)*)\s*>$")
_RULE = re.compile(r"^(\d*\*\d*)?\s*([<{\[])\s*([\w-]+)\s*[>}\]]$")


def avp(name: str) -> Avp[Any]:
    """The definition of the AVP of this name."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise LocalError(f"no dictionary knows {name}") from None


def names() -> Iterator[str]:
    """The names of all AVPs."""
    return iter(_BY_NAME)


def _define(line: str, vendor: int) -> Avp[Any] | None:
    found = _DEFINITION.match(line)
    if not found:
        return None
    name, code, kind, flag = found.groups()
    definition: Avp[Any]
    if kind == "Grouped":
        definition = GroupedAvp(name, int(code), vendor, GROUPED, flag == "M")
    else:
        definition = Avp(name, int(code), vendor, DATA_TYPES[kind], flag == "M")
    if name in _BY_NAME or definition.key in AVPS:
        raise LocalError(f"{name} is defined twice")
    _BY_NAME[name] = AVPS[definition.key] = definition
    return definition


def _rule(line: str) -> Rule | None:
    found = _RULE.match(line)
    if not found:
        raise LocalError(f"no rule: {line!r}")
    times, bracket, name = found.groups()
    if name == "AVP":
        return None
    minimum, maximum = (0 if bracket == "[" else 1), 1 if times is None else None
    if times and times != "*":
        low, _, high = times.partition("*")
        minimum, maximum = int(low or minimum), int(high) if high else None
    return Rule(avp(name), minimum, maximum)


def _load(text: str) -> list[tuple[str, list[str]]]:
    """Take in the AVP definitions of one file; return its grammars (first line, rules), to be resolved later."""
    vendor, last, grammars = 0, None, list[tuple[str, list[str]]]()
    for raw in text.splitlines():
        line = raw.partition(";")[0].rstrip()
        if not line:
            continue
        if line.startswith("@vendor"):
            vendor = int(line.split()[1])
        elif "::=" in line:
            grammars.append((line, []))
        elif grammars:
            grammars[-1][1].append(line.strip())
        elif line.startswith(" ") and last is not None:
            for value in line.split(","):
                number, name = value.split()
                last.values[int(number)] = name
        else:
            last = _define(line, vendor)
            if last is None:
                raise LocalError(f"neither definition nor grammar: {line!r}")
    return grammars


def _resolve(head: str, lines: list[str]) -> None:
    rules = [rule for line in lines if (rule := _rule(line))]
    if found := _COMMAND.match(head):
        name, code, bits = found.groups()
        COMMANDS[int(code), "REQ" in bits] = Grammar(name, rules)
    elif found := _GROUP.match(head):
        group = avp(found[1])
        if group.code != int(found[2]) or group.type is not GROUPED:
            raise LocalError(f"{head!r} contradicts {group}")
        group.grammar = Grammar(group.name, rules)
    else:
        raise LocalError(f"no grammar: {head!r}")


def _load_all() -> None:
    folder = resources.files("ocs.diameter") / "dictionaries"
    grammars = [grammar for file in _FILES for grammar in _load((folder / file).read_text(encoding="utf-8"))]
    for head, lines in grammars:
        _resolve(head, lines)


_load_all()
