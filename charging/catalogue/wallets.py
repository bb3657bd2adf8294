"""What subscribers of a plan may do with money: borrow it, send it to others, be warned before it is gone."""

from fractions import Fraction

from balances.ledger import Record
from charging.catalogue import conditions, quantities
from charging.catalogue.entries import Entry, Findings
from charging.catalogue.schema import PlanText


class LoanTerms(Record, frozen=True, kw_only=True):
    """An emergency credit. Money in micro-units of the plan's currency."""

    amount: int
    fee: int
    when_below: int | None
    """Only while less than this is available; None: whatever there is."""


class TransferTerms(Record, frozen=True, kw_only=True):
    """How money may be sent to another subscriber. Money in micro-units of the plan's currency."""

    fee: int
    minimum: int
    maximum: int | None
    daily: int | None
    """How many in a day, by the plan's clock; None: any number."""


class Wallet(Record, frozen=True, kw_only=True):
    """None: that is not offered. ``warn_below``: amounts of unreserved money; None: those of the configuration."""

    loan: LoanTerms | None = None
    transfer: TransferTerms | None = None
    warn_below: tuple[int, ...] | None = None


def wallet(findings: Findings, entry: Entry) -> Wallet:
    """Of a plan."""
    written: PlanText = entry.written
    loan, transfer = written.loan, written.transfer
    terms, sending = None, None
    if loan is not None:
        below = _money(findings, entry, ("loan", "when_below"), loan.when_below) if loan.when_below else None
        terms = LoanTerms(
            amount=_money(findings, entry, ("loan", "amount"), loan.amount),
            fee=_money(findings, entry, ("loan", "fee"), loan.fee),
            when_below=below,
        )
        if not terms.amount:
            findings.problem(entry.source("loan", "amount"), "a loan of nothing", 'amount = "2.00 EUR"')
    if transfer is not None:
        sending = TransferTerms(
            fee=_money(findings, entry, ("transfer", "fee"), transfer.fee),
            minimum=_money(findings, entry, ("transfer", "minimum"), transfer.minimum),
            maximum=_money(findings, entry, ("transfer", "maximum"), transfer.maximum) if transfer.maximum else None,
            daily=transfer.daily,
        )
        if sending.maximum is not None and sending.maximum < sending.minimum:
            findings.problem(entry.source("transfer", "maximum"), "the maximum is below the minimum")
        if transfer.daily is not None and transfer.daily < 1:
            findings.problem(entry.source("transfer", "daily"), "none a day is no transfer: leave transfer out")
    warn = None
    if written.warn_below:
        warn = tuple(_money(findings, entry, ("warn_below",), text) for text in conditions.listed(written.warn_below))
        if not all(warn):
            findings.problem(entry.source("warn_below"), "0 is told anyway: balance.depleted", 'write "1.00 EUR"')
    return Wallet(loan=terms, transfer=sending, warn_below=warn)


def _money(findings: Findings, entry: Entry, path: tuple[str, ...], text: str) -> int:
    amount, currency = findings.read(entry, path, lambda: quantities.money(text), (1, ""))
    if currency not in ("", entry.written.currency):
        message = f"{path[-1]} is in {currency}, the plan in {entry.written.currency}"
        findings.problem(entry.source(*path), message, "wrong currency")
    return amount


def converted(amount: int, factor: Fraction) -> int:
    """An amount of the plan's currency in that of an account, rounded down."""
    return int(amount * factor)
