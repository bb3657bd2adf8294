"""Answers the requests of Sy: Spending-Limit (subscribe, change, ask), Session-Termination (TS 29.219 clause 4.5)."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from balances.ledger import Account, Identity, Ledger, NoSuchAccount, Unavailable
from balances.watches import Watch, Watches
from charging.catalogue import Counter
from charging.counters import statuses
from ocs.credit_control.identities import identities
from ocs.diameter import avps
from ocs.diameter.answer import TOO_BUSY, Answer
from ocs.diameter.codes import VENDOR_3GPP, Command, ExperimentalResultCode, ResultCode, SLRequestType
from ocs.diameter.message import Message
from ocs.pending import PeerInfo
from ocs.sy.subscription import Subscription, pack, status_reports

MOST_COUNTERS: Final = 100
"""More in one request are refused: no catalogue has so many."""

SECOND_LOOK: Final = 500
"""Milliseconds after an answer at which the account is looked at again, for what changed while it was made."""

UNKNOWN_SESSION: Final = Answer(result_code=ResultCode.UNKNOWN_SESSION_ID, error_message="no such Sy session")
NO_COUNTERS: Final = Answer(
    result_code=ExperimentalResultCode.NO_AVAILABLE_POLICY_COUNTERS,
    vendor=VENDOR_3GPP,
    error_message="the subscriber has no policy counter",
)


class SpendingLimits:
    """See the module. ``counters`` are the catalogue's as it is now, ``clock`` tells milliseconds since 1970."""

    def __init__(
        self, ledger: Ledger, watches: Watches, counters: Callable[[], Mapping[str, Counter]], clock: Callable[[], int]
    ) -> None:
        self._ledger = ledger
        self._watches = watches
        self._counters = counters
        self._clock = clock

    async def __call__(self, message: Message, _peer: PeerInfo) -> Answer:
        """The answer to an SLR or STR that has passed its command's grammar; raises RemoteError."""
        try:
            known = await self._watches.find(message.require(avps.SESSION_ID))
            if message.command == Command.SESSION_TERMINATION:
                return await self._end(known)
            return await self._subscribe(message, known)
        except Unavailable:
            return TOO_BUSY

    async def _end(self, known: Watch | None) -> Answer:
        if known is None:
            return UNKNOWN_SESSION
        await self._watches.drop(known)
        return Answer()

    async def _subscribe(self, message: Message, known: Watch | None) -> Answer:
        """An initial request finds the subscriber, an intermediate one has it from its session."""
        if message.require(avps.SL_REQUEST_TYPE) == SLRequestType.INTERMEDIATE_REQUEST:
            if known is None:
                return UNKNOWN_SESSION
            try:
                account = await self._ledger.account(known.address)
            except NoSuchAccount:
                return UNKNOWN_SESSION
            return await self._answer(message, account, known)
        found = await self._find(identities(message))
        if found is None:
            return Answer(result_code=ResultCode.USER_UNKNOWN, error_message="nobody has this identity")
        return await self._answer(message, found, known)

    async def _find(self, names: tuple[Identity, ...]) -> Account | None:
        """The account of the first identity that somebody has."""
        for name in names:
            address = await self._ledger.find(name)
            if address is None:
                continue
            try:
                account = await self._ledger.account(address)
            except NoSuchAccount:
                continue
            if name in account.identities:
                return account
        return None

    async def _answer(self, message: Message, account: Account, known: Watch | None) -> Answer:
        """Say how the counters stand, and remember what was said."""
        now = self._clock()
        asked = tuple(dict.fromkeys(message.all(avps.POLICY_COUNTER_IDENTIFIER)))
        if len(asked) > MOST_COUNTERS:
            return Answer(result_code=ResultCode.RESOURCES_EXCEEDED, error_message="too many policy counters")
        standing = statuses(self._counters(), account, now)
        unknown = [name for name in asked if name not in standing]
        if unknown:
            return Answer(
                result_code=ExperimentalResultCode.UNKNOWN_POLICY_COUNTERS,
                vendor=VENDOR_3GPP,
                failed_avp=b"".join(avps.POLICY_COUNTER_IDENTIFIER.encode(name) for name in unknown),
                error_message="unknown policy counters",
            )
        if not standing:
            return NO_COUNTERS
        subscription = Subscription(
            host=message.require(avps.ORIGIN_HOST), realm=message.require(avps.ORIGIN_REALM), counters=asked
        )
        told = subscription.selected(standing)
        watch = Watch(
            id=message.require(avps.SESSION_ID),
            address=account.address,
            context=pack(replace(subscription, told=told)),
        )
        if known is not None and known.address != watch.address:
            await self._watches.drop(known)
        await self._watches.put(watch, now, now + SECOND_LOOK)
        return Answer(avps=status_reports(told))
