"""Forwarded calls: who diverted, and whether a call goes round (RFC 5806, RFC 7044, RFC 7544). No I/O, no clock.

Whoever forwards a call pays for its new leg, where the peer's settings ask these headers.
"""

from sip_credit.address import Address, Malformed, parse_address
from sip_credit.message import Request

LONGEST = 5
"""Diversions beyond which a call is taken to go round (RFC 5806 section 7 leaves the number to us)."""

_HISTORY = "history-info"
_CAUSES = frozenset({"302", "404", "408", "480", "486", "487", "503"})
"""Redirecting reasons in the ``cause`` parameter of a URI (RFC 4458 section 2.1)."""


def addresses(request: Request, name: str) -> list[Address]:
    """The addresses in a header, best first; of History-Info, whoever diverted last."""
    kind = name.lower()
    if kind == "from":
        return [request.from_]
    return history_diverters(request)[:1] if kind == _HISTORY else _readable(request, name)


def history_diverters(request: Request) -> list[Address]:
    """Who diverted, last first: the entry that a retargeted one names as its origin (``rc``, ``mp``), or else the one
    before it; and whichever entry carries the reason for which it was left (RFC 7044 sections 5 and 10)."""
    entries = _readable(request, _HISTORY)
    by_index = {entry.parameter("index"): entry for entry in entries if entry.parameter("index")}
    found: list[Address] = []
    for position, entry in enumerate(entries):
        diverter: Address | None = None
        if position and entry.uri.parameter("cause") in _CAUSES:
            origin = entry.parameter("rc") or entry.parameter("mp")
            diverter = by_index.get(origin, entries[position - 1]) if origin else entries[position - 1]
        elif position + 1 < len(entries) and "reason=" in entry.uri.text.partition("?")[2].lower():
            diverter = entry
        if diverter is not None and diverter not in found:
            found.append(diverter)
    return found[::-1]


def goes_round(request: Request) -> bool:
    """Was the call diverted too often, or is it to reach somebody who diverted it?"""
    if "diversion" not in request.headers and _HISTORY not in request.headers:
        return False
    diversions = _readable(request, "Diversion")
    history = history_diverters(request)
    counts = (entry.parameter("counter") or "1" for entry in diversions)
    times = sum(int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 1 for count in counts)
    if max(times, len(history)) > LONGEST:
        return True
    called = request.target.subscriber
    return bool(called) and any(called == entry.uri.subscriber for entry in (*diversions, *history))


def _readable(request: Request, name: str) -> list[Address]:
    found: list[Address] = []
    try:
        texts = request.headers.items(name)
    except Malformed:
        return found
    for text in texts:
        try:
            found.append(parse_address(text))
        except Malformed:
            continue
    return found
