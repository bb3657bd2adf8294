"""Where a call enters the network, from what IMS and SIP say of it. Pure.

``P-Access-Network-Info`` (RFC 7315 section 5.4; TS 32.299 carries it as Access-Network-Information) and the visited
network's domain name (TS 23.003 section 13.2).
"""

import re
from collections.abc import Iterable

from balances.ledger import Record

TYPES = (
    ("3GPP-GERAN", "2"),
    ("3GPP-UTRAN", "1"),
    ("3GPP-E-UTRAN", "6"),
    ("3GPP-NR", "51"),
    ("IEEE-802.11", "3"),
)
"""How access types begin, and the 3GPP-RAT-Type that they are (TS 29.061 section 16.4.7.2)."""

WLAN = "3"

_CELL = re.compile(r"(?:cgi-3gpp|utran-cell-id-3gpp)=\"?(\d{5,6})", re.ASCII | re.IGNORECASE)
_NETWORK = re.compile(r"\bmnc(\d{2,3})\.mcc(\d{3})\b", re.ASCII | re.IGNORECASE)


class Access(Record, frozen=True, kw_only=True):
    """``rat`` and ``access`` as a Service has them; ``visited`` is MCC and MNC, maybe with a digit of the cell."""

    rat: str = ""
    access: str = ""
    visited: str = ""


def read_access(texts: Iterable[str]) -> Access:
    """What the headers say: the network's own word before that of a telephone."""
    said = sorted(texts, key=lambda text: "network-provided" not in text.lower())
    for text in said:
        kind = text.strip().upper()
        rat = next((number for beginning, number in TYPES if kind.startswith(beginning)), "")
        if rat:
            cell = _CELL.search(text)
            return Access(rat=rat, access="wifi" if rat == WLAN else "", visited=cell[1] if cell else "")
    return Access()


def visited_network(name: str) -> str:
    """``ims.mnc001.mcc262.3gppnetwork.org`` as ``26201``; empty for another name.

    The domain name has an MNC of two digits with a zero before it; only North America (MCC 3xx) has MNCs of three.
    """
    match = _NETWORK.search(name)
    if not match:
        return ""
    mnc, mcc = match.groups()
    return mcc + (mnc[1:] if len(mnc) == 3 and mnc[0] == "0" and mcc[0] != "3" else mnc)
