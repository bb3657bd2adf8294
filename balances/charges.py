"""What a charge does to its accounts and their session: the verdict by phase and state, and the steps in their order.

Pure: it changes the books it is given and returns the answer. ``lua/charge.lua`` says the same for the store.
"""

from dataclasses import dataclass, field

from msgspec.structs import replace

from balances import holdings, levels, states
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
from balances.levels import Level
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


def apply(
    accounts: list[AccountBook], session: SessionBook | None, charge: Charge
) -> tuple[Charged, SessionBook | None, str]:
    """Returns the answer, the session as it is then (None: nothing to remember) and the cause of the entries.

    ``accounts`` are the charge's own and those of its levels, in their order.
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
        return _event(levels.of(accounts, session or new_session(charge, SessionState.CLOSED), charge), charge)
    if charge.phase is Phase.OPEN and (session is None or session.state is not SessionState.OPEN):
        if session is None or not session.void:
            return _open(levels.of(accounts, new_session(charge, SessionState.OPEN), charge), charge)
        session.void = False
    elif session is None:
        if charge.phase is Phase.UPDATE:
            return Charged(verdict=Verdict.UNKNOWN_SESSION, available=accounts[_payer(charge)].available), None, ""
        session = new_session(charge, SessionState.CLOSED)
        session.void = True
        return _answer(levels.of(accounts, session, charge), charge, Verdict.UNKNOWN_SESSION)
    known = levels.of(accounts, session, charge)
    if session.state is SessionState.CLOSED or (charge.phase is Phase.LAPSE and session.state is SessionState.LAPSED):
        return _answer(known, charge, Verdict.CLOSED_SESSION)
    return _update(known, charge)


def activated(accounts: list[AccountBook], session: SessionBook, charge: Charge, answer: Charged) -> list[AccountBook]:
    """The accounts whose life begins with this charge, because something that is not free was granted or used."""
    asked = [charge.activation, *[level.activation for level in charge.levels]]
    keys = session.books()[_payer(charge)].keys
    used = {grant.key for grant in answer.grants if grant.granted} | {u.key for u in charge.uses if u.used or u.total}
    if answer.verdict is not Verdict.DONE or all(keys[key].quote.free for key in used if key in keys):
        return []
    begun = []
    for account, validity in zip(accounts, asked, strict=True):
        if validity is not None and account.status is Status.PRE_ACTIVE:
            account.status, account.validity, account.version = Status.ACTIVE, validity, account.version + 1
            begun.append(account)
    return begun


def _payer(charge: Charge) -> int:
    return levels.payer([level.billing for level in charge.levels])


@dataclass(slots=True)
class Granted:
    """What was granted, or not, for the uses, and the meters of the payer that warn.

    ``short``: the account up the chain for whose sake a use was refused.
    """

    grants: list[Grant] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    short: str | None = None
    reversed: bool = False
    """Provisional debits were taken back."""

    def refuse(self, grant: Grant, place: int, level: Level) -> None:
        self.grants.append(grant)
        if place and grant.refused and self.short is None:
            self.short = level.account.address.account


def _answer(
    known: list[Level], charge: Charge, verdict: Verdict, granted: Granted | None = None
) -> tuple[Charged, SessionBook, str]:
    session, payer = known[0].book, known[_payer(charge)]
    session.updated_at = charge.now
    said = granted or Granted()
    answer = Charged(
        verdict=verdict,
        grants=tuple(said.grants),
        spent=payer.book.spent,
        available=payer.account.available,
        warned=tuple(said.warned) if verdict is not Verdict.REFUSED else (),
        short=said.short,
    )
    return answer, session, REVERSAL if said.reversed else charge.cause or charge.phase.value


def _renew(session: SessionBook, charge: Charge) -> None:
    session.lapse = charge.lapse
    session.deadline = charge.deadline
    if charge.context is not None:
        session.context = charge.context


def _open(known: list[Level], charge: Charge) -> tuple[Charged, SessionBook, str]:
    session = known[0].book
    _renew(session, charge)
    granted = _settle_and_reserve(known, charge)
    wanted = any(use.wanted for use in charge.uses)
    got = any(grant.granted for grant in granted.grants) or any(key.used for key in session.keys.values())
    if charge.empty is Empty.REFUSE and wanted and not got:
        session.state = SessionState.CLOSED
        for level in known:
            level.book.keys.clear()
        return _answer(known, charge, Verdict.REFUSED, granted)
    return _answer(known, charge, Verdict.DONE, granted)


def _update(known: list[Level], charge: Charge) -> tuple[Charged, SessionBook, str]:
    """UPDATE or CLOSE of a session that is open or lapsed."""
    session = known[0].book
    verdict = Verdict.DONE if session.state is SessionState.OPEN else Verdict.LAPSED_SESSION
    if session.state is SessionState.OPEN:
        _renew(session, charge)
    granted = _settle_and_reserve(known, charge)
    if charge.phase in ENDS:
        for level in known:
            for key in level.book.keys.values():
                holdings.release(level.account, key) if not key.provisional else key.confirm()
        session.state = ENDS[charge.phase]
    return _answer(known, charge, verdict, granted)


def _settle_and_reserve(known: list[Level], charge: Charge) -> Granted:
    """The heart: on each level settle what was used and release what the keys held; then reserve anew on all."""
    settled = [_settle(level, charge) for level in known]
    session, payer = known[0].book, _payer(charge)
    granted = Granted(warned=settled[payer].warned, reversed=any(each.late for each in settled))
    reserving = charge.phase not in ENDS and session.state is SessionState.OPEN
    for place, due in enumerate(settled[payer].due):
        keys = [each.keys[place] for each in settled]
        if reserving:
            _grant(granted, known, keys, place, charge)
        else:
            granted.grants.append(_nothing(keys[payer], known[payer].uses[place]))
        granted.grants[-1] = replace(granted.grants[-1], settled=due)
    return granted


@dataclass(slots=True)
class Settled:
    """What came of settling a level: by use its key and the money debited; the meters that warn."""

    keys: list[KeyBook | None]
    due: list[int]
    warned: list[str]
    late: bool
    """Provisional debits were reversed."""


def _settle(level: Level, charge: Charge) -> Settled:
    account, book = level.account, level.book
    mentioned = [_key(account, book, use, charge.now) for use in level.uses]
    everything = charge.phase is Phase.CLOSE and charge.uses
    late = [key for key in book.keys.values() if key.provisional and (everything or any(key is m for m in mentioned))]
    for provisional in late:
        holdings.reverse(account, book, provisional)
    settlements = [
        holdings.settle_held(account, book, key, use) if key else None
        for key, use in zip(mentioned, level.uses, strict=True)
    ]
    for held in [*mentioned, *late]:
        if held:
            holdings.release(account, held)
    due = 0
    warned = []
    for settlement in settlements:
        if settlement:
            holdings.settle_excess(account, book, settlement, charge.now)
            due += settlement.due
            settlement.key.spent += settlement.due
            warned += settlement.warned
    holdings.debit(account, due)
    book.spent += due
    return Settled(mentioned, [each.due if each else 0 for each in settlements], warned, bool(late))


def _key(account: AccountBook, session: SessionBook, use: Use, now: int) -> KeyBook | None:
    """The key's book, made from the use's quote if the session does not know the key; None without quote or room."""
    if use.key not in session.keys and use.quote is not None and len(session.keys) < KEYS:
        session.keys[use.key] = KeyBook(key=use.key, unit=use.unit, quote=use.quote)
    if use.quote is not None:
        account.meters.enter(use.quote.meters, now)
    return session.keys.get(use.key)


def _grant(granted: Granted, known: list[Level], keys: list[KeyBook | None], place: int, charge: Charge) -> None:
    """Reserve for a use on all levels, or on none."""
    for level, key in zip(known, keys, strict=True):
        quote = level.uses[place].quote
        if key is not None and quote is not None and not key.granted:  # a key named twice holds under its first quote
            key.quote = quote  # what is used from here on is priced anew
    payer = _payer(charge)
    for n, (level, key) in enumerate(zip(known, keys, strict=True)):
        refused = _refusal(level, key, level.uses[place])
        if key is None or refused:
            granted.refuse(_nothing(keys[payer], known[payer].uses[place], refused), n, level)
            return
    if not known[0].uses[place].wanted:
        granted.grants.append(_nothing(keys[payer], known[payer].uses[place]))
        return
    grants, lacking = levels.reserve(known, [key for key in keys if key], place, charge.now)
    if lacking is None:
        granted.grants.append(levels.joined(grants, payer))
    else:
        refusal = _nothing(keys[payer], known[payer].uses[place], grants[0].refused)
        granted.refuse(refusal, known.index(lacking), lacking)


def _refusal(level: Level, key: KeyBook | None, use: Use) -> str | None:
    """Why nothing is granted whatever the balance."""
    if key is None:
        return _unsettled(use)
    if use.denied:
        return use.denied
    if not level.account.meters.known(key.quote.meters):
        return CROWDED
    return states.refusal(level.account.status, key.quote, level.activation) if use.wanted else None


def _unsettled(use: Use) -> str:
    """Why the session has no such key."""
    return use.denied or UNQUOTED if use.quote is None else CROWDED


def _nothing(key: KeyBook | None, use: Use, refused: str | None = None) -> Grant:
    if key is None:
        return Grant(key=use.key, refused=refused or _unsettled(use))
    return Grant(key=use.key, refused=refused, terms=key.quote.terms)


def _event(known: list[Level], charge: Charge) -> tuple[Charged, SessionBook, str]:
    """Debit what is wanted, all uses on all levels or none; ``used`` and ``total`` mean nothing here.

    Each use is reserved as in a session and the reservation debited, under a key of its own: an event is priced by
    itself.
    """
    payer = _payer(charge)
    granted = Granted()
    made = [_event_keys(level.account, level.book, level.uses, charge.now) for level in known]
    reserved: list[tuple[Level, KeyBook]] = []
    for place in range(len(charge.uses)):
        _reserve_event(granted, known, [keys[place] for keys in made], place, charge, reserved)
    reason = next((grant.refused for grant in granted.grants if grant.refused), None)
    if reason is not None:
        for level, key in reserved:
            holdings.release(level.account, key)
        granted.grants = [Grant(key=g.key, refused=g.refused or reason, terms=g.terms) for g in granted.grants]
        return _answer(known, charge, Verdict.REFUSED, granted)
    for level, key in reserved:
        units = key.granted
        warned = holdings.debit_held(level.account, level.book, key)
        if level is known[payer]:
            granted.warned += warned
        key.forget()
        _remember_event(level.book, key, units)
    return _answer(known, charge, Verdict.DONE, granted)


def _reserve_event(
    granted: Granted,
    known: list[Level],
    keys: list[KeyBook | None],
    place: int,
    charge: Charge,
    reserved: list[tuple[Level, KeyBook]],
) -> None:
    """Reserve all that one use of an event wants on each level; what was reserved is added to ``reserved``."""
    payer = _payer(charge)
    grants = []
    for n, (level, key) in enumerate(zip(known, keys, strict=True)):
        use = level.uses[place]
        refused = _refusal(level, key, use)
        if key is None or refused or not use.wanted:
            grant = _nothing(key, use, refused)
        else:
            grant = holdings.reserve(level.account, key, _all_or_nothing(use), charge.now)
            reserved.append((level, key))
        grants.append(grant)
        if grant.refused:
            granted.refuse(_nothing(keys[payer], known[payer].uses[place], grant.refused), n, level)
            return
    granted.grants.append(levels.joined(grants, payer))


def _event_keys(account: AccountBook, session: SessionBook, uses: tuple[Use, ...], now: int) -> list[KeyBook | None]:
    """A key for each use of an event; None without quote or room. None of them holds anything yet."""
    keys: list[KeyBook | None] = []
    names = set(session.keys)
    for use in uses:
        if use.quote is None or (use.key not in names and len(names) == KEYS):
            keys.append(None)
            continue
        names.add(use.key)
        account.meters.enter(use.quote.meters, now)
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
