"""What the packages let be observed, counted in the metrics, with each metric's children bound once.

Each class fits, by its shape, the ``Observer`` of the package it is named after. The words given as reasons, scripts
and types are few and fixed on the other side, so that no label grows without bound.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from balances.ledger import Entry, Unit
from ocs.metrics import DURATIONS, STORE_DURATIONS, Metrics
from ocs.tallies import Answers, Durations, Money
from ocs.telling import Allowance, Teller

log = logging.getLogger(__name__)

Child = TypeVar("Child")

UNITS = frozenset(unit.value for unit in Unit if unit is not Unit.MONEY)
"""Assets that are counted and not money."""

HOUSE = "house"
"""Stands as the door of what no door asked for: top-ups, adjustments, write-offs."""

STRANGERS_LOGGED = 1.0
"""Lines a second about addresses that are nobody's: one is enough to find a mistake, a thousand are a flood."""


class _Bound(defaultdict[str, Child]):
    """Children by their last label, bound when first met."""

    def __init__(self, bind: Callable[[str], Child]) -> None:
        super().__init__()
        self._bind = bind

    def __missing__(self, key: str) -> Child:
        self[key] = child = self._bind(key)
        return child


class VaultObserver:
    """Store, reaper and journal (``balances.observer``)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._scripts = _Bound(lambda name: Durations(metrics.store_duration.labels(name), STORE_DURATIONS))
        metrics.tallies.append(self._settle)
        self._errors = _Bound(metrics.store_errors.labels)
        self._lapsed = _Bound(metrics.reservations_lapsed.labels)
        self._credited = _Bound(lambda currency: Money(metrics.credited_amount.labels(currency)))
        self._debited = _Bound(
            lambda currency: _Bound(lambda door: Money(metrics.debited_amount.labels(currency, door)))
        )
        self._overrun = _Bound(lambda currency: Money(metrics.overrun_amount.labels(currency)))
        for reason in ("timeout", "connection", "overload", "reply"):
            self._errors[reason]  # from 0 on: what begins at 1 is no increase to whoever alerts on it
        for door in ("diameter", "sip"):
            self._lapsed[door]
        self.listeners: list[Callable[[Entry], None]] = []
        """Told of every entry that is durable."""

    def script(self, name: str, seconds: float) -> None:
        self._scripts[name].add(seconds)

    def _settle(self) -> None:
        for durations in self._scripts.values():
            durations.settle()
        for moneys in (self._credited, self._overrun, *self._debited.values()):
            for money in moneys.values():
                money.settle()

    def error(self, reason: str) -> None:
        self._errors[reason].inc()

    def lapsed(self, door: str) -> None:
        self._lapsed[door].inc()

    def reaper_lag(self, seconds: float) -> None:
        self._metrics.reaper_lag.set(seconds)

    def journal_lag(self, seconds: float, entries: int) -> None:
        self._metrics.journal_lag.set(seconds)
        self._metrics.outbox_entries.set(entries)

    def journalled(self, entry: Entry) -> None:
        """Each entry passes here once in all, whoever wrote it: the one place to sum money.

        What is taken back (a late report in place of a provisional debit) does not make a counter run backwards.
        """
        for line in entry.lines:
            if line.asset in UNITS:
                continue
            overrun = self._overrun[line.asset]  # from 0 on, as above
            if line.credited > 0:
                self._credited[line.asset].add(line.credited)
            if line.debited > 0:
                self._debited[line.asset][entry.door or HOUSE].add(line.debited)
            if line.overrun > 0:
                overrun.add(line.overrun)
        for listener in self.listeners:
            listener(entry)


class _Door:
    """What both doors count alike."""

    def __init__(self, metrics: Metrics, door: str, refusals: frozenset[int], teller: Teller | None) -> None:
        self._metrics = metrics
        self._teller = teller
        self._door = door
        self._refusals = refusals
        self._answers: dict[tuple[str, int], Answers] = {}
        self._duplicates = metrics.duplicates.labels(door)
        self._in_flight = metrics.requests_in_flight.labels(door)
        self._begun = 0
        """Requests begun less requests answered, since they were last taken over."""
        metrics.tallies.append(self._settle)
        self._faults = _Bound(lambda reason: metrics.protocol_errors.labels(door, reason))

    def _answered(self, type: str, code: int, seconds: float) -> None:
        self._begun -= 1
        (self._answers.get((type, code)) or self._bind(type, code)).add(seconds)

    def _bind(self, type: str, code: int) -> Answers:
        counters = (
            self._metrics.requests.labels(self._door, type, self._result(code)),
            self._metrics.result_codes.labels(self._door, str(code)),
        )
        durations = Durations(self._metrics.request_duration.labels(self._door, type), DURATIONS)
        self._answers[type, code] = bound = Answers(counters, durations)
        return bound

    def _settle(self) -> None:
        begun, self._begun = self._begun, 0
        self._in_flight.inc(begun)
        for answers in self._answers.values():
            answers.settle()

    def _result(self, code: int) -> str:
        """``ok``, ``refused`` (rightly answered, with a no) or ``error``."""
        if code in self._refusals:
            return "refused"
        return "ok" if code < 400 or 2000 <= code < 3000 else "error"

    def protocol_error(self, reason: str, source: str = "") -> None:
        self._faults[reason].inc()
        if source:
            self.turned_away(reason, source)

    def turned_away(self, reason: str, source: str) -> None:
        """Let whoever looks know why nothing came of it."""
        if self._teller is not None:
            self._teller.turned_away(self._door, reason, source)

    def duplicate(self) -> None:
        self._duplicates.inc()


class DiameterDoor(_Door):
    """The Diameter door (``ocs.diameter.observer``)."""

    def __init__(self, metrics: Metrics, teller: Teller | None = None) -> None:
        # RFC 8506 section 9: end user service denied, credit limit reached, user unknown, rating failed; TS 29.219
        # clause 5.5: no available, unknown policy counters.
        super().__init__(metrics, "diameter", frozenset({4010, 4012, 4241, 5030, 5031, 5570}), teller)

    def request_received(self) -> None:
        self._begun += 1

    def request_answered(self, request_type: str, result_code: int, seconds: float) -> None:
        self._answered(request_type, result_code, seconds)

    def peer_up(self, peer: str) -> None:
        self._metrics.peer_up.labels(peer).set(1)
        self._metrics.watchdog_timeouts.labels(peer)

    def peer_down(self, peer: str) -> None:
        self._metrics.peer_up.labels(peer).set(0)

    def watchdog_timeout(self, peer: str) -> None:
        self._metrics.watchdog_timeouts.labels(peer).inc()

    def reauthorised(self, result: str) -> None:
        self._metrics.reauthorizations.labels(result).inc()


class SipDoor(_Door):
    """The SIP door (``sip_credit.observer``)."""

    def __init__(self, metrics: Metrics, teller: Teller | None = None) -> None:
        super().__init__(metrics, "sip", frozenset({401, 402, 403, 404, 480, 487}), teller)
        self._faults["orphan"]
        self._strangers = Allowance(STRANGERS_LOGGED)

    def received(self) -> None:
        self._begun += 1

    def request(self, type: str, status: int, seconds: float) -> None:
        self._answered(type, status, seconds)

    def stranger(self, host: str) -> None:
        """Often no attack but a proxy that nobody has written into the configuration: it is told nothing, so we are."""
        self.protocol_error("stranger", host)
        if self._strangers.take():
            log.warning("a stranger at the door: %s is in no peer's networks", host)

    def orphan(self, orphan: object) -> None:
        """A call that nobody asked for went on and ended: revenue, unless somebody charges it by hand."""
        self._faults["orphan"].inc()
        log.warning("a call ended that was never asked for: %s", orphan)

    def overrun(self, seconds: int) -> None:  # noqa: ARG002 - the money of it is counted by the ledger
        self._faults["call-beyond-grant"].inc()

    def clock_difference(self, seconds: float) -> None:  # noqa: ARG002
        self._faults["clock-difference"].inc()

    def unacknowledged(self) -> None:
        self._faults["unacknowledged"].inc()


class ChargingObserver:
    """The charging engine (``charging.observer``)."""

    def __init__(self, metrics: Metrics, teller: Teller) -> None:
        self._metrics = metrics
        self.handled = teller.handled

    def report_capped(self, door: str, session: str, unit: Unit, reported: int) -> None:
        self._metrics.protocol_errors.labels(door, "report-capped").inc()
        log.warning("session %s reported %d %s at once: capped", session, reported, unit.value)

    def unit_mismatch(self, door: str, session: str, reported: Unit, rated: Unit) -> None:
        self._metrics.protocol_errors.labels(door, "unit-mismatch").inc()
        log.warning("session %s reported %s where %s are priced", session, reported.value, rated.value)

    def unquoted_usage(self, door: str, session: str, key: str) -> None:
        self._metrics.protocol_errors.labels(door, "unquoted-usage").inc()
        log.warning("session %s used %s, on which nothing was agreed", session, key)

    def warning_reached(self, account: str, meter: str) -> None:
        self._metrics.spending_warnings.labels(meter).inc()
        log.info("account %s has reached the warning of meter %s", account, meter)

    def terms_reread(self, reason: str) -> None:
        """Costs a round trip and is otherwise as it should be."""
