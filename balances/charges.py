"""What a charge does to an account and its session: the verdict by phase and state, and the steps in their order.

Pure: it changes the books it is given and returns the answer. ``lua/charge.lua`` says the same for the store.
"""

from balances import holdings
from balances.books import AccountBook, KeyBook, SessionBook
from balances.ledger import (
    CROWDED,
    KEYS,
    UNQUOTED,
    Charge,
    Charged,
    Empty,
    Grant,
    Phase,
    SessionState,
    Status,
    Use,
    Verdict,
)
from balances.money import LIMIT

ENDS = {Phase.CLOSE: SessionState.CLOSED, Phase.LAPSE: SessionState.LAPSED}
"""The phases that end a session, and how."""

REVERSAL = "reversal"
"""Cause of an entry in which a report that came late replaces a provisional debit."""


def countable(charge: Charge) -> bool:
    """Are all numbers of the request in the range in which the ledger counts?"""
    numbers = [charge.now, charge.deadline]
    for use in charge.uses:
        numbers += [use.used, use.total or 0, use.wanted, use.least]
    return all(0 <= number < LIMIT for number in numbers)


def new_session(charge: Charge, state: SessionState) -> SessionBook:
    return SessionBook(
        id=charge.session,
        address=charge.address,
        door=charge.door,
        state=state,
        opened_at=charge.now,
        updated_at=charge.now,
        deadline=charge.deadline,
    )


def apply(account: AccountBook, session: SessionBook | None, charge: Charge) -> tuple[Charged, SessionBook | None, str]:
    """Returns the answer, the session as it is then (None: nothing to remember) and the cause of the entry.

    Raises OverflowError if a number would leave the countable range; the books are to be thrown away then.

    =========  ===========================  ==================  ====================================
    phase      no session                   open                ended
    =========  ===========================  ==================  ====================================
    OPEN       opens                        an UPDATE           opens anew; void: CLOSED_SESSION once
    UPDATE     UNKNOWN_SESSION              settles, reserves   CLOSED_SESSION; lapsed: settles
    CLOSE      UNKNOWN_SESSION, void        settles, ends       CLOSED_SESSION; lapsed: settles, ends
    LAPSE      UNKNOWN_SESSION, void        settles, lapses     CLOSED_SESSION
    EVENT      debits                       debits              debits
    =========  ===========================  ==================  ====================================
    """
    if charge.phase is Phase.EVENT:
        return _event(account, session or new_session(charge, SessionState.CLOSED), charge)
    if charge.phase is Phase.OPEN and (session is None or session.state is not SessionState.OPEN):
        if session is None or not session.void:
            return _open(account, new_session(charge, SessionState.OPEN), charge)
        session.void = False
    elif session is None:
        if charge.phase is Phase.UPDATE:
            return Charged(verdict=Verdict.UNKNOWN_SESSION, available=account.available), None, ""
        session = new_session(charge, SessionState.CLOSED)
        session.void = True
        return _answer(account, session, charge, Verdict.UNKNOWN_SESSION)
    if session.state is SessionState.CLOSED or (charge.phase is Phase.LAPSE and session.state is SessionState.LAPSED):
        return _answer(account, session, charge, Verdict.CLOSED_SESSION)
    return _update(account, session, charge)


def _answer(
    account: AccountBook,
    session: SessionBook,
    charge: Charge,
    verdict: Verdict,
    grants: list[Grant] | None = None,
    cause: str = "",
    warned: list[str] | None = None,
) -> tuple[Charged, SessionBook, str]:
    session.updated_at = charge.now
    answer = Charged(
        verdict=verdict,
        grants=tuple(grants or ()),
        spent=session.spent,
        available=account.available,
        warned=tuple(warned or ()),
    )
    return answer, session, cause or charge.cause or charge.phase.value


def _renew(session: SessionBook, charge: Charge) -> None:
    session.lapse = charge.lapse
    session.deadline = charge.deadline
    if charge.context is not None:
        session.context = charge.context


def _open(account: AccountBook, session: SessionBook, charge: Charge) -> tuple[Charged, SessionBook, str]:
    _renew(session, charge)
    grants, warned, _ = _settle_and_reserve(account, session, charge)
    wanted = any(use.wanted for use in charge.uses)
    got = any(grant.granted for grant in grants) or any(key.used for key in session.keys.values())
    if charge.empty is Empty.REFUSE and wanted and not got:
        session.state = SessionState.CLOSED
        session.keys.clear()
        return _answer(account, session, charge, Verdict.REFUSED, grants)
    return _answer(account, session, charge, Verdict.DONE, grants, warned=warned)


def _update(account: AccountBook, session: SessionBook, charge: Charge) -> tuple[Charged, SessionBook, str]:
    """UPDATE or CLOSE of a session that is open or lapsed."""
    verdict = Verdict.DONE if session.state is SessionState.OPEN else Verdict.LAPSED_SESSION
    if session.state is SessionState.OPEN:
        _renew(session, charge)
    grants, warned, reversed_any = _settle_and_reserve(account, session, charge)
    if charge.phase in ENDS:
        for key in session.keys.values():
            holdings.release(account, key) if not key.provisional else key.confirm()
        session.state = ENDS[charge.phase]
    return _answer(account, session, charge, verdict, grants, REVERSAL if reversed_any else "", warned)


def _settle_and_reserve(
    account: AccountBook, session: SessionBook, charge: Charge
) -> tuple[list[Grant], list[str], bool]:
    """The heart: settle what was used, release what the keys held, reserve anew.

    Returns the grants, the meters that warn, and whether provisional debits were reversed.
    """
    mentioned = [_key(account, session, use, charge.now) for use in charge.uses]
    everything = charge.phase is Phase.CLOSE and charge.uses
    late = [
        key for key in session.keys.values() if key.provisional and (everything or any(key is m for m in mentioned))
    ]
    for provisional in late:
        holdings.reverse(account, session, provisional)
    settlements = [
        holdings.settle_held(account, session, key, use) if key else None
        for key, use in zip(mentioned, charge.uses, strict=True)
    ]
    for held in [*mentioned, *late]:
        if held:
            holdings.release(account, held)
    due = 0
    warned = []
    for settlement in settlements:
        if settlement:
            holdings.settle_excess(account, session, settlement, charge.now)
            due += settlement.due
            settlement.key.spent += settlement.due
            warned += settlement.warned
    holdings.debit(account, due)
    session.spent += due
    reserving = charge.phase not in ENDS and session.state is SessionState.OPEN
    grants = []
    for key, use, settlement in zip(mentioned, charge.uses, settlements, strict=True):
        grant = _grant(account, key, use, charge.now) if reserving else _nothing(key, use)
        grants.append(_with_settled(grant, settlement.due if settlement else 0))
    return grants, warned, bool(late)


def _key(account: AccountBook, session: SessionBook, use: Use, now: int) -> KeyBook | None:
    """The key's book, made from the use's quote if the session does not know the key; None without quote or room."""
    if use.key not in session.keys and use.quote is not None and len(session.keys) < KEYS:
        session.keys[use.key] = KeyBook(key=use.key, unit=use.unit, quote=use.quote)
    if use.quote is not None:
        account.meters.enter(use.quote.meters, now)
    return session.keys.get(use.key)


def _grant(account: AccountBook, key: KeyBook | None, use: Use, now: int) -> Grant:
    if key is not None and use.quote is not None and not key.granted:  # a key named twice holds under its first quote
        key.quote = use.quote  # what is used from here on is priced anew
    refused = _refusal(account, key, use)
    if key is None or refused or not use.wanted:
        return _nothing(key, use, refused)
    return holdings.reserve(account, key, use, now)


def _refusal(account: AccountBook, key: KeyBook | None, use: Use) -> str | None:
    """Why nothing is granted whatever the balance."""
    if key is None:
        return _unsettled(use)
    if use.denied:
        return use.denied
    if not account.meters.known(key.quote.meters):
        return CROWDED
    return account.status.value if use.wanted and account.status is not Status.ACTIVE else None


def _unsettled(use: Use) -> str:
    """Why the session has no such key."""
    return use.denied or UNQUOTED if use.quote is None else CROWDED


def _nothing(key: KeyBook | None, use: Use, refused: str | None = None) -> Grant:
    if key is None:
        return Grant(key=use.key, refused=refused or _unsettled(use))
    return Grant(key=use.key, refused=refused, terms=key.quote.terms)


def _with_settled(grant: Grant, settled: int) -> Grant:
    return Grant(
        key=grant.key,
        granted=grant.granted,
        cost=grant.cost,
        settled=settled,
        final=grant.final,
        refused=grant.refused,
        terms=grant.terms,
        ends_in=grant.ends_in,
    )


def _event(account: AccountBook, session: SessionBook, charge: Charge) -> tuple[Charged, SessionBook, str]:
    """Debit what is wanted, all uses or none; ``used`` and ``total`` mean nothing here.

    Each use is reserved as in a session and the reservation debited, under a key of its own: an event is priced by
    itself.
    """
    keys = []
    grants = []
    for use, key in zip(charge.uses, _event_keys(account, session, charge), strict=True):
        refused = _refusal(account, key, use)
        if key is None or refused or not use.wanted:
            grants.append(_nothing(key, use, refused))
        else:
            grants.append(holdings.reserve(account, key, _all_or_nothing(use), charge.now))
            keys.append(key)
    reason = next((grant.refused for grant in grants if grant.refused), None)
    if reason is not None:
        for key in keys:
            holdings.release(account, key)
        refusals = [Grant(key=g.key, refused=g.refused or reason, terms=g.terms) for g in grants]
        return _answer(account, session, charge, Verdict.REFUSED, refusals)
    warned = []
    for key in keys:
        units = key.granted
        warned += holdings.debit_held(account, session, key)
        key.forget()
        _remember_event(session, key, units)
    return _answer(account, session, charge, Verdict.DONE, grants, warned=warned)


def _event_keys(account: AccountBook, session: SessionBook, charge: Charge) -> list[KeyBook | None]:
    """A key for each use of an event; None without quote or room. None of them holds anything yet."""
    keys: list[KeyBook | None] = []
    names = set(session.keys)
    for use in charge.uses:
        if use.quote is None or (use.key not in names and len(names) == KEYS):
            keys.append(None)
            continue
        names.add(use.key)
        account.meters.enter(use.quote.meters, charge.now)
        key = KeyBook(key=use.key, unit=use.unit, quote=use.quote)
        axis = key.axis(account)
        key.elsewhere = axis.held if axis else 0
        keys.append(key)
    return keys


def _all_or_nothing(use: Use) -> Use:
    return Use(key=use.key, unit=use.unit, wanted=use.wanted, least=use.wanted, quote=use.quote)


def _remember_event(session: SessionBook, key: KeyBook, units: int) -> None:
    """Add the event to what the session says of the key; its price started afresh and leaves the key's axis alone."""
    known = session.keys.get(key.key)
    if known is None:
        known = session.keys[key.key] = KeyBook(key=key.key, unit=key.unit, quote=key.quote)
    known.used += units
    known.spent += key.spent
    if known.used >= LIMIT:
        raise OverflowError("more units than can be counted")
