"""Planted bugs, each of another kind: a simulation that finds none of them proves nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from balances import holdings
from balances.books import KeyBook
from balances.ledger import Charged, SessionState, Verdict
from balances.memory import Answers, MemoryLedger
from charging.engine import Engine
from charging.event import Outcome, Result
from ocs.credit_control import handler
from ocs.diameter.codes import Flag


def _forgets_answers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Answers, "keep", lambda *_: None)


def _tops_up_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MemoryLedger, "_repeated", lambda *_: None)


def _keeps_what_a_lapsed_session_held(patch: pytest.MonkeyPatch) -> None:
    def lapse(account: Any, session: Any, how: Any) -> None:
        session.keys.clear()

    patch.setattr(holdings, "lapse", lapse)


def _debits_twice(patch: pytest.MonkeyPatch) -> None:
    debit = holdings.debit
    patch.setattr(holdings, "debit", lambda account, amount: debit(account, 2 * amount))


def _counts_no_overrun(patch: pytest.MonkeyPatch) -> None:
    def debit(account: Any, amount: int) -> None:
        account.money.debited += amount

    patch.setattr(holdings, "debit", debit)


def _mirrors_nothing(patch: pytest.MonkeyPatch) -> None:
    put = MemoryLedger._put

    def careless(self: Any, account: Any, lines: Any, **about: Any) -> str:
        return put(self, account, lines if about["cause"] != "update" else (), **about)

    patch.setattr(MemoryLedger, "_put", careless)


def _loses_late_reports(patch: pytest.MonkeyPatch) -> None:
    charge = MemoryLedger.charge

    async def strict(self: Any, request: Any) -> Charged:
        session = self.shards[request.address.shard].sessions.get(request.session)
        if session is not None and session.state is SessionState.LAPSED:
            return Charged(verdict=Verdict.LAPSED_SESSION)
        return await charge(self, request)

    patch.setattr(MemoryLedger, "charge", strict)


def _prices_each_report_by_itself(patch: pytest.MonkeyPatch) -> None:
    price_of = KeyBook.price_of

    def afresh(self: Any, account: Any, units: int) -> int:
        self.paid_units = 0
        return price_of(self, account, units)

    patch.setattr(KeyBook, "price_of", afresh)


def _takes_a_repeat_for_another(patch: pytest.MonkeyPatch) -> None:
    read = handler.read

    def unaware(message: Any, *rest: Any) -> Any:
        request = read(message, *rest)
        if not message.flags_octet & Flag.RETRANSMITTED:
            return request
        event = replace(request.event, operation=f"{request.event.operation}T")
        return request._replace(event=event)

    patch.setattr(handler, "read", unaware)


def _takes_silence_for_a_no(patch: pytest.MonkeyPatch) -> None:
    handle = Engine.handle

    async def sure(self: Any, event: Any) -> Outcome:
        outcome = await handle(self, event)
        return replace(outcome, result=Result.NO_CREDIT) if outcome.result is Result.UNAVAILABLE else outcome

    patch.setattr(Engine, "handle", sure)


def _repeats_by_itself(patch: pytest.MonkeyPatch) -> None:
    """As a client library does that sends again what it heard nothing of: here, a top-up."""
    move = MemoryLedger.move

    async def eager(self: Any, movement: Any) -> Any:
        receipt = await move(self, movement)
        if not receipt.repeated and movement.amount % 3 == 0:
            await move(self, replace(movement, operation=f"{movement.operation}'"))
        return receipt

    patch.setattr(MemoryLedger, "move", eager)


BUGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    bug.__name__.strip("_").replace("_", " "): bug
    for bug in (
        _forgets_answers,
        _tops_up_again,
        _keeps_what_a_lapsed_session_held,
        _debits_twice,
        _counts_no_overrun,
        _mirrors_nothing,
        _loses_late_reports,
        _prices_each_report_by_itself,
        _takes_a_repeat_for_another,
        _takes_silence_for_a_no,
        _repeats_by_itself,
    )
}
