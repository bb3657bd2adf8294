"""Closing an open session from outside: what it holds is released, what it has used stays debited."""

from collections.abc import Awaitable, Callable

from balances.ledger import Charge, Ledger, Phase, Session, Verdict

OPERATION = "abort"
ATTEMPTS = 4


def aborter(ledger: Ledger, clock: Callable[[], int]) -> Callable[[Session], Awaitable[None]]:
    """What the HTTP API calls; may raise Unavailable. The network learns of it at the session's next request."""

    async def abort(session: Session) -> None:
        for _ in range(ATTEMPTS):  # the account's terms may change in between
            account = await ledger.account(session.address)
            now = clock()
            charge = Charge(
                address=session.address,
                version=account.version,
                session=session.id,
                operation=OPERATION,
                fingerprint=0,
                phase=Phase.CLOSE,
                door=session.door,
                now=now,
                deadline=now,
                cause=OPERATION,
            )
            if (await ledger.charge(charge)).verdict is not Verdict.STALE:
                return

    return abort
