"""Closing a session from outside."""

from balances.ledger import (
    AccountChange,
    Charge,
    Movement,
    NewAccount,
    Phase,
    Quote,
    SessionState,
    Unit,
    Use,
    Verdict,
)
from balances.memory import MemoryLedger
from balances.price import Price, Step
from ocs.abort import aborter

NOW = 1_700_000_000_000


async def test_releases_what_is_held_and_keeps_what_was_spent():
    ledger = MemoryLedger()
    account = await ledger.open_account(NewAccount(id="a", plan="p", currency="EUR"), NOW)
    await ledger.move(Movement(address=account.address, operation="m", amount=1000, cause="topup", now=NOW))
    quote = Quote(price=Price(steps=(Step(upto=None, block=1, amount=1, per=1),)))

    async def charge(operation, phase, used, version=1):
        use = Use(key="k", unit=Unit.SECONDS, used=used, wanted=100, quote=quote)
        request = Charge(
            address=account.address,
            version=version,
            session="s",
            operation=operation,
            fingerprint=0,
            phase=phase,
            door="sip",
            now=NOW,
            deadline=NOW + 60_000,
            uses=(use,),
        )
        return await ledger.charge(request)

    await charge("0", Phase.OPEN, 0)
    await charge("1", Phase.UPDATE, 30)
    await ledger.change_account(account.address, AccountChange(plan="q"), NOW)
    session = await ledger.session(account.address, "s")
    assert session is not None
    await aborter(ledger, lambda: NOW + 1)(session)
    after = await ledger.account(account.address)
    assert (after.money.debited, after.money.reserved) == (30, 0)
    ended = await ledger.session(account.address, "s")
    assert ended is not None
    assert ended.state is SessionState.LAPSED
    await aborter(ledger, lambda: NOW + 2)(session)
    assert await ledger.account(account.address) == after, "a second time changes nothing"
    late = await charge("2", Phase.CLOSE, 12, version=2)
    assert (late.verdict, late.spent, late.available) == (Verdict.LAPSED_SESSION, 42, 1000 - 42)
    again = await charge("3", Phase.CLOSE, 12, version=2)
    assert (again.verdict, again.spent) == (Verdict.CLOSED_SESSION, 42)
