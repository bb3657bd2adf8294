"""Requests a charging server makes by itself: ask a session's client to come back (RAR) or to end the session (ASR).

RFC 8506 section 5.5 and RFC 6733 section 8.5. A client learns of a top-up when it is next due to ask, which after a
redirect may take long; a Re-Auth-Request brings it at once. All of this is best effort: a client that cannot be reached
asks when its Validity-Time is over, and a session nobody ends lapses at its deadline. A round that a process leaves
undone when it ends is done by another, or by the next.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from enum import Enum, IntEnum
from typing import Any, Protocol

from balances.ledger import (
    Address,
    Ledger,
    LedgerError,
    Session,
    SessionState,
    Unavailable,
)
from balances.link import ReplyError
from ocs.abort import curtail
from ocs.connection import PeerUnreachable
from ocs.credit_control.request import Client, name_of, read_context
from ocs.credit_control.settings import Profile
from ocs.diameter import avps
from ocs.diameter.answer import Identity
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION, Command, ReAuthRequestType, ResultCode
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message
from ocs.diameter.settings import DiameterSettings
from ocs.rounds import Round, Rounds

log = logging.getLogger(__name__)

DIAMETER = "diameter"
"""The door of the sessions meant here."""

COLLECT = 0.1
"""Seconds in which several changes of an account are one."""

PAUSES = (0.5, 2.0, 8.0)
"""Seconds before each repeat of a request that was refused for now or lost."""

PATIENCE = 2.0
"""Seconds that the operator's abort waits for the client's word."""

RESUME = 5.0
"""Seconds between two looks for rounds that another process has not finished."""

MOST_SESSIONS = 100
"""Of one account; whoever has more hears of a top-up when their Validity-Time ends."""

MOST_ACCOUNTS = 10_000
"""Accounts in work at one time; the sessions of more wait for their Validity-Time."""

AT_ONCE = 64
"""Requests under way at one time."""


class Verdicts(Enum):
    """What an answer to a request of ours means for the session."""

    FINE = "fine"
    GONE = "gone"
    """The client knows no such session: it will never report on it."""
    AGAIN = "again"
    """Not now."""


def judge(result_code: int) -> Verdicts:
    """Result-Code of an RAA or ASA (RFC 6733 section 7.1). What can never succeed is not worth a repeat either."""
    if result_code // 1000 == 2:
        return Verdicts.FINE
    if result_code == ResultCode.UNKNOWN_SESSION_ID:
        return Verdicts.GONE
    return Verdicts.AGAIN


def result_of(answer: Message) -> int:
    """The Result-Code, 5012 if there is none that can be read."""
    try:
        return answer.require(avps.RESULT_CODE)
    except RemoteError:
        return ResultCode.UNABLE_TO_COMPLY


def label(result_code: int) -> str:
    """The Result-Code as a metric's label: codes come from the network, labels must be few."""
    return str(result_code) if result_code in _KNOWN else "other"


_KNOWN = frozenset(int(code) for code in ResultCode)


def request_parts(identity: Identity, client: Client, *more: bytes) -> tuple[bytes, ...]:
    """The AVPs of an RAR or ASR in the grammar's order; ``more`` is Re-Auth-Request-Type."""
    parts = [
        avps.SESSION_ID.encode(client.session),
        identity.encoded,
        avps.DESTINATION_REALM.encode(client.realm),
        avps.DESTINATION_HOST.encode(client.host),
        avps.AUTH_APPLICATION_ID.encode(CREDIT_CONTROL_APPLICATION),
        *more,
    ]
    if client.sub_session is not None:
        parts.append(avps.CC_SUB_SESSION_ID.encode(client.sub_session))
    return tuple(parts)


def re_auth(identity: Identity, client: Client, key: str | None = None) -> tuple[bytes, ...]:
    """An RAR of one of the session's services; without ``key`` of all of them."""
    parts = request_parts(identity, client, avps.RE_AUTH_REQUEST_TYPE.encode(ReAuthRequestType.AUTHORIZE_ONLY))
    return parts if key is None else (*parts, *name_of(key))


class Scope(IntEnum):
    """Which services of the account's sessions are to ask anew."""

    SHORT = 1
    """Those for which credit had not been enough: more money changes nothing for the others."""
    ALL = 2


def concerned(session: Session, scope: Scope) -> str | None:
    """The only service that needs it; None: more than one do, or it cannot be told."""
    short = [held.key for held in session.holdings if held.short]
    return short[0] if scope is Scope.SHORT and len(short) == 1 else None


class Ask(Protocol):
    """``Dispatch.ask``."""

    async def __call__(self, host: str, realm: str, command: int, parts: Iterable[bytes]) -> Message: ...


class Observer(Protocol):
    def reauthorised(self, result: str) -> None:
        """A request of ours was answered with this Result-Code, or ``unreachable``; ``unfollowed``: the client agreed
        and did not come."""


class Reauthoriser:
    """Runs in the process that has the HTTP API. ``clock``: milliseconds since 1970; ``profile``: of a client."""

    def __init__(
        self,
        ledger: Ledger,
        ask: Ask,
        settings: DiameterSettings,
        observer: Observer,
        clock: Callable[[], int],
        profile: Callable[[str], Profile],
        rounds: Rounds,
    ) -> None:
        self._ledger = ledger
        self._ask = ask
        self._settings = settings
        self._identity = Identity.of(settings.origin_host, settings.origin_realm)
        self._observer = observer
        self._clock = clock
        self._profile = profile
        self._rounds = rounds
        self._round = int(1000 * (COLLECT + sum(PAUSES) + (len(PAUSES) + 2) * (settings.own_request_timeout + 1)))
        self._accounts: dict[Address, Scope | None] = {}  # served lately; with a scope: to be served again
        self._asked: set[str] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Reauthoriser {len(self._accounts)} accounts, {len(self._tasks)} tasks>"

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # ---- Re-Auth-Request

    def credited(self, address: Address) -> None:
        """The account can pay more than before: clients that were short of credit are to ask anew."""
        self._tell(address, Scope.SHORT)

    def changed(self, address: Address) -> None:
        """The account pays otherwise than before, on other terms or from another bucket: clients are to ask anew."""
        self._tell(address, Scope.ALL)

    def _tell(self, address: Address, scope: Scope) -> None:
        if not self._settings.reauthorise:
            return
        served = address in self._accounts
        if served or len(self._accounts) < MOST_ACCOUNTS:
            self._accounts[address] = max(scope, self._accounts.get(address) or scope)
        if not served and address in self._accounts:
            self._start(self._serve(address))

    async def resume(self) -> None:
        """Do what others have left undone, until cancelled."""
        while True:
            now = self._clock()
            try:
                for address in await self._rounds.take(now, now + self._round):
                    self.changed(address)
            except (Unavailable, ReplyError) as problem:
                log.debug("no rounds taken over: %s", problem)
            await asyncio.sleep(RESUME)

    async def _serve(self, address: Address) -> None:
        """One round for all that changes in a moment, and rounds not too close to each other."""
        try:
            while self._accounts[address] is not None:
                begun = await self._rounds.begin(address, self._clock() + self._round)
                await asyncio.sleep(COLLECT)
                scope, self._accounts[address] = self._accounts[address] or Scope.ALL, None
                sessions = await self._sessions(address)
                self._start(
                    self._see_through(begun, [self._start(self._reauthorise(each, scope)) for each in sessions])
                )
                await asyncio.sleep(self._settings.reauthorise_interval)
        finally:
            del self._accounts[address]

    async def _see_through(self, begun: Round, chores: "list[asyncio.Task[None]]") -> None:
        if chores:
            await asyncio.wait(chores)
        await self._rounds.end(begun)

    async def _sessions(self, address: Address) -> list[Session]:
        sessions = await self._ledger.sessions(address, MOST_SESSIONS)
        return [session for session in sessions if session.door == DIAMETER]

    async def _reauthorise(self, session: Session, scope: Scope) -> None:
        client = read_context(session.context)
        if client is None or session.id in self._asked:
            return
        self._asked.add(session.id)
        key = concerned(session, scope) if self._profile(client.host).reauthorise_by_key else None
        try:
            verdict = await self._insist(client, Command.RE_AUTH, re_auth(self._identity, client, key))
        finally:
            self._asked.discard(session.id)
        if verdict is Verdicts.GONE:
            await self._curtail(session)
        elif verdict is Verdicts.FINE:
            await self._watch(session)

    async def _watch(self, session: Session) -> None:
        """RAA 2002 promises a CCR-U, 2001 says that one is on its way. There are clients that send none: those have
        their Validity-Time, and we count them."""
        await asyncio.sleep(self._settings.own_request_timeout)
        found = await self._ledger.session(session.address, session.id)
        if found and found.state is SessionState.OPEN and found.updated_at == session.updated_at:
            self._observer.reauthorised("unfollowed")

    # ---- Abort-Session-Request

    def barred(self, address: Address) -> None:
        """The account may use nothing more: its sessions are to end."""
        self._start(self._bar(address))

    async def _bar(self, address: Address) -> None:
        for session in await self._sessions(address):
            await self._limit(session)
            self._start(self._end(session))

    async def abort(self, session: Session) -> None:
        """End a Diameter session: its client has ``abort_grace`` to report what it has used, then it lapses.

        Returns when the client has answered, or after a moment. May raise Unavailable.
        """
        await self._limit(session)
        await asyncio.wait([self._start(self._end(session))], timeout=PATIENCE)

    async def _limit(self, session: Session) -> None:
        """From here on the session ends even if this process does not live on."""
        await self._curtail(session, int(self._settings.abort_grace * 1000))

    async def _end(self, session: Session) -> None:
        client = read_context(session.context)
        if client is None:
            await self._curtail(session)
            return
        verdict = await self._insist(client, Command.ABORT_SESSION, request_parts(self._identity, client))
        if verdict is Verdicts.FINE:
            self._start(self._see_it_end(session))  # a CCR-T follows
        else:
            await self._curtail(session)

    async def _see_it_end(self, session: Session) -> None:
        """An update that was under way may have renewed what is to end."""
        await asyncio.sleep(self._settings.abort_grace)
        found = await self._ledger.session(session.address, session.id)
        if found and found.state is SessionState.OPEN:
            await self._curtail(found)

    # ---- both

    async def _insist(self, client: Client, command: Command, parts: tuple[bytes, ...]) -> Verdicts:
        """Ask until there is an answer one can work with, but not for long."""
        verdict = Verdicts.AGAIN
        for pause in (0.0, *PAUSES):
            await asyncio.sleep(pause)
            async with self._slots:
                try:
                    code = result_of(await self._ask(client.host, client.realm, command, parts))
                except PeerUnreachable as problem:
                    log.info("no %s to %s: %s", command.name.lower(), client.host, problem)
                    self._observer.reauthorised("unreachable")
                    continue
            self._observer.reauthorised(label(code))
            verdict = judge(code)
            if verdict is not Verdicts.AGAIN:
                break
        return verdict

    async def _curtail(self, session: Session, milliseconds: int = 0) -> None:
        await curtail(self._ledger, session, self._clock, milliseconds)

    def _start(self, chore: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(_quietly(chore))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _quietly(chore: Coroutine[Any, Any, None]) -> None:
    try:
        await chore
    except (Unavailable, LedgerError, ReplyError) as problem:
        log.warning("sessions are left to their validity: %s", problem)
    except Exception:
        log.exception("a client could not be told")
