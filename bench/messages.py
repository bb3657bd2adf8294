"""What the generator sends, encoded beforehand: one message per session, of which only a few octets change."""

import struct
from dataclasses import dataclass

from ocs.diameter import avps
from ocs.diameter.codec import HEADER_SIZE, encode_message
from ocs.diameter.message import Message

CREDIT_CONTROL, APPLICATION, REQUEST = 272, 4, 0xC0
OPEN, UPDATE, CLOSE, EVENT = 1, 2, 3, 4
USED = 4_000_000
"""Octets each rating group of an update has used: 40 blocks of the sample catalogue."""

PRICES = {10: 40_000, 20: 400_000, 99: 0}
"""Micro-units the sample catalogue asks for that much, by rating group."""

GRANTS = {10: 10_000_000, 20: 5_000_000, 99: 5_000_000}
SMS_PRICE = 90_000
SECOND_PRICE = 1_000
SLICE = 60
"""Seconds of a call that are granted at a time."""

_WORDS = struct.Struct(">II")
_WORD = struct.Struct(">I")


@dataclass(frozen=True)
class Profile:
    """A kind of traffic. Neither rating groups nor seconds: messages, each an event of a session of its own."""

    name: str
    groups: tuple[int, ...] = ()
    seconds: int = 0
    """Of a call: what each update has used."""
    hot: bool = False
    """All of it on one account."""
    parts: tuple["Profile", ...] = ()
    """Of a mix: its sessions are of these in turn."""

    @property
    def session(self) -> bool:
        """Are there sessions, which are opened and closed?"""
        return bool(self.groups or self.seconds)

    @property
    def context(self) -> str:
        """Service-Context-Id."""
        return "32251@3gpp.org" if self.groups else "32260@3gpp.org" if self.seconds else "32274@3gpp.org"

    @property
    def price(self) -> int:
        """What each request that settles usage costs, in micro-units."""
        if self.seconds:
            return self.seconds * SECOND_PRICE
        return sum(PRICES[group] for group in self.groups) if self.groups else SMS_PRICE

    def of(self, number: int) -> "Profile":
        """The kind of its n-th session."""
        return self.parts[number % len(self.parts)] if self.parts else self


DATA, VOICE, SMS = Profile("data-1", (10,)), Profile("voice", seconds=30), Profile("sms")

PROFILES = {
    profile.name: profile
    for profile in (
        DATA,
        Profile("data-3", (10, 20, 99)),
        Profile("hot", (10,), hot=True),
        VOICE,
        SMS,
        Profile("mix", parts=(DATA, DATA, DATA, DATA, DATA, DATA, DATA, VOICE, VOICE, SMS)),
    )
}


def e164(account: int) -> str:
    """The number of the generator's n-th subscriber."""
    return f"4917{account:08}"


def capabilities(host: str) -> bytes:
    """A CER."""
    parts = (
        avps.ORIGIN_HOST.encode(host),
        avps.ORIGIN_REALM.encode("bench.example.net"),
        avps.HOST_IP_ADDRESS.encode("127.0.0.1"),
        avps.VENDOR_ID.encode(0),
        avps.PRODUCT_NAME.encode("bench"),
        avps.AUTH_APPLICATION_ID.encode(APPLICATION),
    )
    return encode_message(0x80, 257, 0, 1, 1, parts)


class Session:
    """A session's messages. Identifiers, type, number and, in an event, the Session-Id are patched in place."""

    def __init__(self, profile: Profile, number: int, account: int, run: int) -> None:
        kind = "gw" if profile.session else "ev"  # an event's number is its request's: no session may have the same
        self.id = f"{kind}.bench.example.net;{run:010};{number:010}"
        self.profile = profile
        self.requests = 0
        self._open = self._encode(profile, account, OPEN)
        self._next = self._encode(profile, account, UPDATE if profile.session else EVENT)
        self._close = self._encode(profile, account, CLOSE) if profile.session else None

    def _encode(self, profile: Profile, account: int, kind: int) -> bytearray:
        subscriber = (avps.SUBSCRIPTION_ID_TYPE.encode(0), avps.SUBSCRIPTION_ID_DATA.encode(e164(account)))
        parts = [
            avps.SESSION_ID.encode(self.id),
            avps.ORIGIN_HOST.encode("gw.bench.example.net"),
            avps.ORIGIN_REALM.encode("bench.example.net"),
            avps.DESTINATION_REALM.encode("example.net"),
            avps.AUTH_APPLICATION_ID.encode(APPLICATION),
            avps.SERVICE_CONTEXT_ID.encode(profile.context),
            avps.CC_REQUEST_TYPE.encode(kind),
            avps.CC_REQUEST_NUMBER.encode(0),
            avps.EVENT_TIMESTAMP.encode(1_760_000_000),
            avps.SUBSCRIPTION_ID.encode(subscriber),
        ]
        if profile.groups:
            parts += [avps.MULTIPLE_SERVICES_INDICATOR.encode(1), *[_service(group, kind) for group in profile.groups]]
            parts.append(_packet_data())
        elif profile.seconds:
            used = avps.CC_TIME.encode(profile.seconds)
            parts += [avps.MULTIPLE_SERVICES_INDICATOR.encode(1), _units(kind, used), _call_data()]
        else:
            parts += [avps.REQUESTED_ACTION.encode(0)]
            parts.append(avps.REQUESTED_SERVICE_UNIT.encode([avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)]))
        message = encode_message(REQUEST, CREDIT_CONTROL, APPLICATION, 0, 0, parts)
        self._number = Message(message).positions(avps.CC_REQUEST_NUMBER.key)[0] + 8
        return bytearray(message)

    def next(self, identifier: int) -> bytes:
        """The next update, or event."""
        if self._close is None:  # an event has a session of its own
            self._next[28 + len(self.id) - 10 : 28 + len(self.id)] = b"%010d" % identifier
        return self._patched(self._next, identifier)

    def open(self, identifier: int) -> bytes:
        return self._patched(self._open, identifier)

    def close(self, identifier: int) -> bytes:
        assert self._close is not None
        return self._patched(self._close, identifier)

    def _patched(self, message: bytearray, identifier: int) -> bytes:
        _WORDS.pack_into(message, 12, identifier, identifier)
        _WORD.pack_into(message, self._number, self.requests if self._close is not None else 0)
        self.requests += 1
        return bytes(message)


def _service(group: int, kind: int) -> bytes:
    return _units(kind, avps.CC_TOTAL_OCTETS.encode(USED), avps.RATING_GROUP.encode(group))


def _units(kind: int, used: bytes, *more: bytes) -> bytes:
    parts = []
    if kind != CLOSE:
        parts.append(avps.REQUESTED_SERVICE_UNIT.encode([]))
    if kind != OPEN:
        parts.append(avps.USED_SERVICE_UNIT.encode([used]))
    return avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([*parts, *more])


def _call_data() -> bytes:
    """Service-Information of a call."""
    party = avps.CALLED_PARTY_ADDRESS.encode("tel:+493012345678")
    ims = avps.IMS_INFORMATION.encode([avps.ROLE_OF_NODE.encode(0), avps.NODE_FUNCTIONALITY.encode(6), party])
    return avps.SERVICE_INFORMATION.encode([ims])


def _packet_data() -> bytes:
    """Service-Information as a gateway sends it."""
    parts = (
        avps.TGPP_CHARGING_ID.encode(7),
        avps.TGPP_PDP_TYPE.encode(0),
        avps.TGPP_SGSN_MCC_MNC.encode("26201"),
        avps.CALLED_STATION_ID.encode("internet"),
        avps.TGPP_RAT_TYPE.encode(b"\x06"),
    )
    return avps.SERVICE_INFORMATION.encode([avps.PS_INFORMATION.encode(parts)])


def right(answer: bytes, profile: Profile) -> bool:
    """Is this what an update (or event) must be answered with?"""
    message = Message(answer)
    if message.get(avps.RESULT_CODE) != 2001:
        return False
    services = message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    if profile.seconds:
        granted = services[0].get(avps.GRANTED_SERVICE_UNIT) if services else None
        return granted is not None and granted.get(avps.CC_TIME) == SLICE
    if not profile.groups:
        granted = message.get(avps.GRANTED_SERVICE_UNIT)
        return granted is not None and granted.get(avps.CC_SERVICE_SPECIFIC_UNITS) == 1
    found = {}
    for service in services:
        granted = service.get(avps.GRANTED_SERVICE_UNIT)
        if service.get(avps.RESULT_CODE) == 2001 and granted is not None:
            found[service.get(avps.RATING_GROUP)] = granted.get(avps.CC_TOTAL_OCTETS)
    return found == {group: GRANTS[group] for group in profile.groups}


def tail(answer: bytes) -> bytes:
    """All of an answer from its CC-Request-Number's end: the same for every request of a profile."""
    return answer[Message(answer).positions(avps.CC_REQUEST_NUMBER.key)[0] + 12 :]


__all__ = ["HEADER_SIZE", "PROFILES", "Profile", "Session", "capabilities", "e164", "right", "tail"]
