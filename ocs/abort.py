"""Ending a session from outside: what it holds is released, what it has used stays debited."""

from collections.abc import Awaitable, Callable, Mapping

from balances.ledger import Charge, Lapse, Ledger, Level, Phase, Session, Verdict
from balances.levels import chain

Aborter = Callable[[Session], Awaitable[None]]

OPERATION = "abort"
ATTEMPTS = 4


def aborter(ledger: Ledger, clock: Callable[[], int]) -> Aborter:
    """End a session there and then; may raise Unavailable. The network learns of it at the session's next request.

    A lapse, not a close: what is reported later all the same is still debited.
    """

    async def abort(session: Session) -> None:
        await _end(ledger, session, clock, Phase.LAPSE, 0)

    return abort


def by_door(aborters: Mapping[str, Aborter], other: Aborter) -> Aborter:
    """Let each door's sessions be ended in its way."""

    async def abort(session: Session) -> None:
        await aborters.get(session.door, other)(session)

    return abort


async def curtail(ledger: Ledger, session: Session, clock: Callable[[], int], milliseconds: int = 0) -> None:
    """Let an open session lapse after so long, unless it is renewed; may raise Unavailable.

    A lapse, not a close: what its client reports later all the same is still debited.
    """
    await _end(ledger, session, clock, Phase.UPDATE, milliseconds)


async def _end(ledger: Ledger, session: Session, clock: Callable[[], int], phase: Phase, milliseconds: int) -> None:
    for _ in range(ATTEMPTS):  # the account's terms may change in between
        account, *above = await chain(ledger, session.address)
        now = clock()
        charge = Charge(
            address=session.address,
            version=account.version,
            session=session.id,
            operation=OPERATION if phase is Phase.LAPSE else f"curtail:{now}",
            fingerprint=0,
            phase=phase,
            door=session.door,
            now=now,
            deadline=now + milliseconds,
            levels=tuple(
                [
                    Level(address=parent.address, version=parent.version, billing=child.billing)
                    for child, parent in zip([account, *above], above, strict=False)
                ]
            ),
            lapse=Lapse.RELEASE,
            cause=OPERATION,
        )
        if (await ledger.charge(charge)).verdict is not Verdict.STALE:
            return
