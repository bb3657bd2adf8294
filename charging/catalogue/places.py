"""Countries, destinations, networks and zones: where somebody is, and whom a number belongs to."""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from balances.ledger import Record
from charging.catalogue.prefixes import Prefixes
from charging.event import Service, ServiceKind

WIFI = "3"
"""The radio access type WLAN (TS 29.061 section 16.4.7.2)."""

SHORT = 6
"""Numbers up to this length are short codes, not E.164."""

_OPERATOR = re.compile(r"\.mnc\d{2,3}\.mcc\d{3}(\.gprs)?$")


class Places(Record, frozen=True, kw_only=True):
    """The catalogue's geography."""

    destinations: Prefixes[str]
    roaming: Prefixes[str]
    """MCC-MNC -> zone."""
    locations: Prefixes[str]
    networks: Prefixes[str]
    """Number ranges -> network."""
    ported: Mapping[str, str]
    """Numbers that have moved -> network."""
    carriers: frozenset[str]
    """All networks by name."""
    own: frozenset[str]
    premium: Prefixes[str]
    emergency: frozenset[str]
    emergency_apns: frozenset[str]
    moved: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Numbers that have moved since the catalogue was written; it may change meanwhile."""

    def network(self, number: str) -> str | None:
        """The network that serves a number: where it was ported to, else that of its range."""
        return self.moved.get(number) or self.ported.get(number) or self.networks.zone(number)

    def call_types(self, service: Service, number: str, country: str) -> frozenset[str]:
        """What kinds of call it is to (or from) this number, for a subscriber at home in ``country``."""
        found = set()
        if service.kind is ServiceKind.VOICE:
            if service.access == "wifi" or service.rat == WIFI:
                found.add("wifi")
            elif service.access:
                found.add(service.access)
        if not (number.isascii() and number.isdigit()):
            return frozenset(found)
        if len(number) <= SHORT:
            found.add("short")
        elif country:
            found.add("national" if number.startswith(country) else "international")
        if self.premium.zone(number) is not None:
            found.add("premium")
        if self.own:
            found.add("on-net" if self.network(number) in self.own else "off-net")
        return frozenset(found)


@lru_cache(maxsize=4096)
def apn_name(apn: str) -> str:
    """An APN's network identifier: without the operator's part (TS 23.003 section 9.1), in small letters."""
    return _OPERATOR.sub("", apn.lower())
