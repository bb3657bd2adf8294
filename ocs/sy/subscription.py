"""What is kept of a policy server's subscription: who it is, what it asked for and what it was told."""

from collections.abc import Mapping
from typing import Final

import msgspec

from balances.ledger import Record
from ocs.diameter import avps
from ocs.diameter.answer import Identity
from ocs.diameter.codes import SY_APPLICATION


class Subscription(Record, frozen=True, kw_only=True):
    """One Sy session."""

    host: str
    realm: str
    counters: tuple[str, ...] = ()
    """Asked for by name; none: all there are."""
    told: dict[str, str] = msgspec.field(default_factory=dict)
    """The status of each counter as last told."""

    def selected(self, statuses: Mapping[str, str]) -> dict[str, str]:
        """Of these counters, those subscribed to."""
        return {name: status for name, status in statuses.items() if not self.counters or name in self.counters}

    def untold(self, statuses: Mapping[str, str]) -> dict[str, str]:
        """Of these counters, those subscribed to whose status is not as it was told."""
        return {name: status for name, status in self.selected(statuses).items() if self.told.get(name) != status}


_DECODER: Final = msgspec.msgpack.Decoder(Subscription)


def pack(subscription: Subscription) -> bytes:
    """As a watch's context."""
    return msgspec.msgpack.encode(subscription)


def unpack(context: bytes) -> Subscription:
    return _DECODER.decode(context)


def status_reports(statuses: Mapping[str, str]) -> tuple[bytes, ...]:
    """A Policy-Counter-Status-Report for each counter."""
    return tuple(
        avps.POLICY_COUNTER_STATUS_REPORT.encode(
            (avps.POLICY_COUNTER_IDENTIFIER.encode(name), avps.POLICY_COUNTER_STATUS.encode(status))
        )
        for name, status in statuses.items()
    )


def notification(
    identity: Identity, session: str, subscription: Subscription, statuses: Mapping[str, str]
) -> tuple[bytes, ...]:
    """The AVPs of a Spending-Status-Notification-Request, in the grammar's order (clause 5.6.4)."""
    return (
        avps.SESSION_ID.encode(session),
        identity.encoded,
        avps.DESTINATION_REALM.encode(subscription.realm),
        avps.DESTINATION_HOST.encode(subscription.host),
        avps.AUTH_APPLICATION_ID.encode(SY_APPLICATION),
        *status_reports(statuses),
    )
