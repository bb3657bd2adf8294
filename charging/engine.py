"""The charging engine: event -> subscriber -> quotes -> ledger -> outcome.

A request costs one ledger call: who the subscriber is and on which terms is remembered (never what is left), and the
ledger says when that is out of date. Nothing else is kept in here that matters: any engine serves any request of any
session.
"""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from balances.ledger import (
    CROWDED,
    Account,
    Address,
    Billing,
    Charge,
    Charged,
    Empty,
    Ledger,
    LedgerError,
    NoSuchAccount,
    Record,
    Refund,
    Status,
    Unavailable,
    Unit,
    Verdict,
)
from balances.price import Price, cost
from charging import answers, chain, emergency, explain
from charging.catalogue import Catalogue, ServiceTerms
from charging.chain import Chain, Quotation
from charging.editions import Editions
from charging.event import (
    REPORTS,
    Action,
    ChargingEvent,
    ItemOutcome,
    Memory,
    Outcome,
    Phase,
    Reason,
    Result,
    Service,
    ServiceKind,
)
from charging.explain import Explanation
from charging.matching import Matcher
from charging.observer import Observer, Silent
from charging.quoting import lifetime, uses
from charging.routes import NO_ROUTE, Carriage, Routes, choose
from charging.settings import ChargingSettings
from charging.subscribers import Recent, Subscriber, Subscribers, subscriber
from charging.trust import Payer, Standin

NAMES_KEPT = 7 * 86_400_000
"""Milliseconds for which a claimed name stays its first owner's: longer than any call."""

ATTEMPTS = 4
"""How often a charge is tried whose terms turn out to have changed meanwhile."""


class Note(Record, frozen=True, kw_only=True, gc=False):
    """What this engine remembers of a session: a convenience, since the ledger can always tell."""

    address: Address | None
    """None: an emergency call, which the ledger does not know."""
    kind: ServiceKind | None


class Engine:
    """Answers charging events; see ``handle``."""

    def __init__(
        self, ledger: Ledger, catalogue: Catalogue, settings: ChargingSettings, observer: Observer | None = None
    ) -> None:
        self.ledger = ledger
        self._editions = Editions(catalogue)
        self.settings = settings
        self.observer: Observer = observer or Silent()
        self.standin: Standin | None = None
        """Who answers while the ledger is out of reach; None: nobody."""
        self._subscribers = Subscribers(ledger, settings.subscribers)
        self._sessions: Recent[str, Note] = Recent(settings.sessions)
        self._actions: dict[Action, Callable[[ChargingEvent, Catalogue], Awaitable[Outcome]]] = {
            Action.DEBIT: self._charge,
            Action.REFUND: self._refund,
            Action.CHECK_BALANCE: self._check_balance,
            Action.PRICE_ENQUIRY: self._enquire,
        }

    def __repr__(self) -> str:
        return f"<Engine {self.catalogue!r}, {len(self._sessions)} sessions in mind>"

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue in force, as far as this engine has seen the time pass."""
        return self._editions.current

    async def handle(self, event: ChargingEvent) -> Outcome:
        """Answer a charging event. Raises nothing for bad input, nor if the store is away: the result says it.

        The catalogue in force when it arrived holds for all of it, however often its charge is tried.
        """
        outcome = await self._answer(event, self._editions.at(event.now))
        self.observer.handled(event, outcome)
        return outcome

    async def _answer(self, event: ChargingEvent, catalogue: Catalogue) -> Outcome:
        action = event.action if event.phase is Phase.EVENT else Action.DEBIT
        try:
            free = self._emergency(event, catalogue) if action is Action.DEBIT else None
            outcome = free or await self._actions[action](event, catalogue)
        except Unavailable as error:
            return Outcome(result=Result.UNAVAILABLE, reason=str(error) or "the store gave no answer")
        except (LedgerError, OverflowError) as error:
            return Outcome(result=Result.OUT_OF_RANGE, reason=str(error))
        if free is None and outcome.result is Result.UNKNOWN_SESSION and _is_emergency(event, catalogue):
            return self._emergency_outcome(event, catalogue)  # opened through another worker, or by nobody we know
        return outcome

    async def claim(self, name: str, owner: str) -> str:
        """Whose is this name, over all workers? The first to claim it keeps it; may raise Unavailable."""
        return await self.ledger.claim(name, owner, NAMES_KEPT)

    def is_emergency(self, event: ChargingEvent) -> bool:
        """Is it about an emergency call, by the catalogue in force?"""
        return _is_emergency(event, self.catalogue)

    async def routes(self, event: ChargingEvent, routing: str) -> Routes | None:
        """Where to send a call by this routing. None: whether the call is allowed at all has to be asked first.

        Raises Unavailable.
        """
        catalogue = self._editions.at(event.now)
        known = await self._subscribers.find(event.identities)
        found = catalogue.routings.get(routing)
        if found is None:
            return Routes(why=NO_ROUTE)
        matcher, sale = _sale(catalogue, known, event)
        if known is None or sale is None:
            return None
        return choose(found, matcher.number, event.at, sale, known.currency, event.session)

    async def carriage(self, event: ChargingEvent, carrier: str, seconds: int) -> Carriage | None:
        """What a call of so long cost by this carrier and left, by the prices of its time. None: nobody can tell.

        Raises Unavailable.
        """
        catalogue = self._editions.at(event.now)
        known = await self._subscribers.find(event.identities)
        matcher, sale = _sale(catalogue, known, event)
        found = catalogue.carriers.get(carrier)
        price = found.price(matcher.number, event.at, known.currency) if found and known else None
        if known is None or sale is None or price is None:
            return None
        takes = cost(price, seconds)
        return Carriage(carrier=carrier, cost=takes, margin=cost(sale, seconds) - takes, currency=known.currency)

    async def recall(self, session: str) -> Memory | None:
        """What the vault keeps of a session for a door that has forgotten it; may raise Unavailable."""
        promised = self.standin.memory(session) if self.standin else None
        if promised is not None:
            return promised
        note = self._sessions.get(session)
        address = note.address if note else await self.ledger.locate(session)
        stored = await self.ledger.session(address, session) if address else None
        if stored is None:
            return None
        return Memory(
            session=session,
            open=stored.state.value == "open",
            context=stored.context,
            opened_at=stored.opened_at,
            updated_at=stored.updated_at,
            deadline=stored.deadline,
        )

    async def explain(self, event: ChargingEvent, plan: str = "") -> Explanation:
        """What the event would cost and why, on the account's balance as it is; may raise Unavailable.

        With ``plan`` and no identity: by that plan, on no account. Nothing is reserved or debited.
        """
        catalogue = self.catalogue  # the event may lie in the future; asking must not bring it about
        if _is_emergency(event, catalogue):
            return Explanation(result=Result.OK, reason=emergency.WHY, catalogue=catalogue.version)
        account = None if plan and not event.identities else await self._read(event)
        if account is None and not plan:
            return Explanation(result=Result.UNKNOWN_SUBSCRIBER, reason="nobody has this identity")
        accounts = await self._accounts(account) if account else []
        known = subscriber(account) if account else _anybody(catalogue, plan)
        found = catalogue.find(plan or known.plan, event.at)
        own, above = replace(known, plan=plan or known.plan), [subscriber(one) for one in accounts[1:]]
        quotation = chain.quote(catalogue, Chain(accounts=(own, *above)), event, None)
        try:
            balances = list[Account | None](accounts) or [None]
            priced = [explain.items(event, *each) for each in zip(quotation.by_level, balances, strict=True)]
        except OverflowError as error:
            return Explanation(result=Result.OUT_OF_RANGE, reason=str(error))
        payer = quotation.chain.payer
        items = priced[payer]
        refused = next((item.reason for each in priced for item in each if item.reason), None)
        return Explanation(
            result=answers.REFUSALS[refused] if refused else Result.OK,
            reason=next((item.why for each in priced for item in each if item.why), ""),
            account=known.address.account,
            plan=plan or known.plan,
            plan_source=str(found.source) if found else "",
            currency=known.currency,
            catalogue=catalogue.version,
            items=items,
            levels=explain.level_prices(priced, accounts, quotation.chain.ties),
            price=sum(item.price for item in items),
            tax=sum(item.tax for item in items),
            cost=sum(item.cost for item in items),
            available=items[-1].available if items else (accounts[payer].available if accounts else 0),
        )

    async def _accounts(self, account: Account) -> list[Account]:
        """The account and those up its chain, with their balances as they are now."""
        above = await self._subscribers.above(subscriber(account))
        return [account, *[await self.ledger.account(one.address) for one in above]]

    def publish(self, catalogue: Catalogue, since: int = 0) -> None:
        """Rate by this catalogue what arrives from ``since`` (milliseconds) on; what arrived before, by the former."""
        self._editions.put(catalogue, since)

    def pass_time(self, now: int) -> None:
        """It is ``now``: a catalogue whose time has come is in force, whether or not a request has come."""
        self._editions.at(now)

    def forget(self, account: str) -> None:
        """The account's terms have changed: read them again at its next request. Only saves a round trip."""
        self._subscribers.forget(account)

    async def _charge(self, event: ChargingEvent, catalogue: Catalogue) -> Outcome:
        if self.standin is not None:
            await self.standin.settled(event.session)
        known = self._in_mind(event) or await self._whose(event)
        if known is None:
            return self._nobody(event)
        for _ in range(ATTEMPTS):
            kind = event.service.kind if event.service else await self._kind(known, event, catalogue)
            quotation = await self._quote(catalogue, known, event, kind)
            terms = catalogue.services.get(kind) if kind else None
            request = self._request(event, quotation, terms)
            if self.standin is None:
                charged = await self.ledger.charge(request)
            else:
                charged = await self.standin.charge(event, kind, _payer(quotation.chain), request)
            done = charged.verdict is Verdict.DONE
            other = None if done else await self._elsewhere(quotation.chain, event, charged)
            if other is None:
                self._remember(known, event, charged, kind)
                self._tell(event, quotation, charged)
                return answers.outcome(event, known, quotation.told, charged, self.settings.validity_jitter)
            known = other
        charged = Charged(verdict=Verdict.STALE)
        return answers.outcome(event, known, quotation.told, charged, self.settings.validity_jitter)

    async def settle(self, event: ChargingEvent, address: Address) -> Charged:
        """Bring before the ledger what was answered without it, of the account there. A session is not refused: it has
        begun. Raises Unavailable, LedgerError, OverflowError.
        """
        catalogue = self._editions.at(event.now)
        charged = Charged(verdict=Verdict.NO_ACCOUNT)
        for _ in range(ATTEMPTS):
            known = await self._subscribers.at(address)
            if known is None:
                break
            kind = event.service.kind if event.service else await self._kind(known, event, catalogue)
            quotation = await self._quote(catalogue, known, event, kind)
            request = self._request(event, quotation, catalogue.services.get(kind) if kind else None)
            charged = await self.ledger.charge(replace(request, empty=Empty.KEEP))
            if charged.verdict is not Verdict.STALE:
                self._remember(known, event, charged, kind)
                self._tell(event, quotation, charged)
                break
            for account in quotation.chain.accounts:
                self._subscribers.forget(account.address.account)
        return charged

    async def _quote(
        self, catalogue: Catalogue, known: Subscriber, event: ChargingEvent, kind: ServiceKind | None
    ) -> Quotation:
        above = await self._subscribers.above(known) if known.billing is not Billing.OWN else ()
        return chain.quote(catalogue, Chain(accounts=(known, *above)), event, kind)

    async def _kind(self, known: Subscriber, event: ChargingEvent, catalogue: Catalogue) -> ServiceKind | None:
        """The kind of service of a request that does not say it: as remembered, or told by what its session holds."""
        note = self._sessions.get(event.session)
        if note is not None or event.phase not in REPORTS:
            return note.kind if note else None
        stored = await self.ledger.session(known.address, event.session)
        units = [holding.unit for holding in stored.holdings] if stored else []
        return next((kind for kind, terms in catalogue.services.items() if terms.unit in units), None)

    def _request(self, event: ChargingEvent, quotation: Quotation, service: ServiceTerms | None) -> Charge:
        known, quoted = quotation.chain.own, quotation.told
        life = lifetime(quoted, service, event, self.settings.idle_lifetime)
        told = uses(quoted, event, self.settings, self.observer)
        alone = len(quotation.by_level) == 1
        return Charge(
            address=known.address,
            version=known.version,
            session=event.session,
            operation=event.operation,
            fingerprint=event.fingerprint,
            phase=event.phase,
            door=event.door,
            now=event.now,
            deadline=life.deadline,
            uses=told if alone else chain.own_uses(quotation, told),
            levels=() if alone else chain.above(quotation),
            activation=quotation.activations[0],
            lapse=life.lapse,
            empty=life.empty,
            context=event.context,
            sequence=event.sequence,
            reference=event.reference,
        )

    def _in_mind(self, event: ChargingEvent) -> Subscriber | None:
        """Whom to charge, if it is a report of a session known here: most requests are, and need not wait."""
        note = self._sessions.get(event.session) if event.phase in REPORTS else None
        return self._subscribers.known(note.address) if note and note.address else None

    async def _whose(self, event: ChargingEvent) -> Subscriber | None:
        """Whom to charge: a session that runs stays with its account, whoever has the identity now."""
        reporting = event.phase in REPORTS
        note = self._sessions.get(event.session) if reporting else None
        if note and note.address:
            known = await self._subscribers.at(note.address)
            if known is not None:
                return known
        known = await self._subscribers.find(event.identities)
        if known is None and reporting:
            address = await self.ledger.locate(event.session)
            known = await self._subscribers.at(address) if address else None
        return known

    async def _elsewhere(self, tried: Chain, event: ChargingEvent, charged: Charged) -> Subscriber | None:
        """The subscriber as whom to try again, since the ledger did nothing; None: the answer stands."""
        if charged.verdict in (Verdict.STALE, Verdict.NO_ACCOUNT):
            self.observer.terms_reread(charged.verdict.value)
            for account in tried.accounts:
                self._subscribers.forget(account.address.account)
            return await self._whose(event)
        if event.phase not in REPORTS:
            return None
        if charged.verdict in (Verdict.OTHER_ACCOUNT, Verdict.UNKNOWN_SESSION):
            self._sessions.drop(event.session)
            address = await self.ledger.locate(event.session)
            if address is not None and address != tried.own.address:
                self.observer.terms_reread(charged.verdict.value)
                return await self._subscribers.at(address)
        return None

    def _remember(self, known: Subscriber, event: ChargingEvent, charged: Charged, kind: ServiceKind | None) -> None:
        if event.phase is Phase.EVENT or charged.verdict is not Verdict.DONE:
            return
        note = self._sessions.get(event.session)
        if note is None or note.kind is not kind or note.address != known.address:
            self._sessions.put(event.session, Note(address=known.address, kind=kind))

    def _tell(self, event: ChargingEvent, quotation: Quotation, charged: Charged) -> None:
        if charged.replayed:
            return
        quoted = quotation.told
        for meter in charged.warned:
            payer = quotation.chain.accounts[quotation.chain.payer]
            self.observer.warning_reached(payer.address.account, meter)
        if charged.verdict is not Verdict.DONE:
            return
        for each, grant in zip(quoted, charged.grants[: len(quoted)], strict=True):
            unsettled = grant.refused == CROWDED or (each.quote is None and grant.refused and not grant.terms)
            if unsettled and (each.item.used or each.item.total):
                self.observer.unquoted_usage(event.door, event.session, each.item.key)

    def _nobody(self, event: ChargingEvent) -> Outcome:
        if event.phase in REPORTS:
            return Outcome(result=Result.UNKNOWN_SESSION, reason=answers.SENTENCES[Verdict.UNKNOWN_SESSION])
        return Outcome(result=Result.UNKNOWN_SUBSCRIBER, reason="nobody has this identity")

    def _emergency(self, event: ChargingEvent, catalogue: Catalogue) -> Outcome | None:
        """Emergency calls are granted before anybody asks whose they are, and leave no trace in the books.

        A report of one that this engine did not open goes to the ledger all the same: the session might be another's.
        """
        if event.phase in (Phase.OPEN, Phase.EVENT):
            if not _is_emergency(event, catalogue):
                return None
            if self._sessions.get(event.session) is None:
                self._sessions.put(
                    event.session, Note(address=None, kind=event.service.kind if event.service else None)
                )
            return self._emergency_outcome(event, catalogue)
        note = self._sessions.get(event.session)
        if note is None or note.address is not None:
            return None
        elsewhere = event.service is not None and _names(event.service) and not _is_emergency(event, catalogue)
        return None if elsewhere else self._emergency_outcome(event, catalogue)

    def _emergency_outcome(self, event: ChargingEvent, catalogue: Catalogue) -> Outcome:
        note = self._sessions.get(event.session)
        kind = event.service.kind if event.service else note.kind if note else None
        return emergency.outcome(catalogue, event, kind or ServiceKind.VOICE)

    async def _refund(self, event: ChargingEvent, catalogue: Catalogue) -> Outcome:  # noqa: ARG002 - a refund is rated as its debit was
        known = await self._subscribers.find(event.identities)
        if known is None:
            address = await self.ledger.locate(event.refund_of) if event.refund_of else None
            known = await self._subscribers.at(address) if address else None
        if known is None:
            return self._nobody(event)
        nothing = Outcome(
            result=Result.NOTHING_TO_REFUND,
            reason="no such debit of so many units of this account",
            account=known.address,
            currency=known.currency,
        )
        if not event.refund_of:
            return nothing
        refunded = await self.ledger.refund(
            Refund(
                address=known.address,
                session=event.session,
                operation=event.operation,
                fingerprint=event.fingerprint,
                target=event.refund_of,
                door=event.door,
                now=event.now,
                sequence=event.sequence,
                levels=tuple([one.address for one in await self._subscribers.above(known)]),
                units=sum(item.wanted or 0 for item in event.items) or None,
            )
        )
        if not refunded.found:
            return replace(nothing, replayed=refunded.replayed)
        one = len(event.items) == 1
        items = [
            ItemOutcome(
                key=item.key,
                unit=item.unit or Unit.EVENTS,
                granted=refunded.units if one else 0 if refunded.again else item.wanted,
            )
            for item in event.items
        ]
        return Outcome(
            result=Result.OK,
            items=tuple(items),
            reason="refunded before: nothing was paid twice" if refunded.again else "",
            account=known.address,
            currency=known.currency,
            spent=refunded.amount,
            replayed=refunded.replayed,
        )

    async def _check_balance(self, event: ChargingEvent, catalogue: Catalogue) -> Outcome:
        account = await self._read(event)
        if account is None:
            return self._nobody(event)
        if event.currency not in ("", account.currency):
            return Outcome(
                result=Result.UNRATEABLE,
                reason=f"the account is kept in {account.currency}, not in {event.currency}",
                account=account.address,
                currency=account.currency,
            )
        accounts = await self._accounts(account)
        payers = Chain(accounts=tuple([subscriber(one) for one in accounts]))
        payer = accounts[payers.payer]
        if event.amount is not None:
            enough = payer.available >= event.amount
            items: tuple[ItemOutcome, ...] = ()
        else:
            by_level = chain.quote(catalogue, payers, event, None).by_level
            priced = [explain.items(event, quoted, one) for quoted, one in zip(by_level, accounts, strict=True)]
            enough = all(item.granted >= item.units for each in priced for item in each)
            told = priced[payers.payer]
            items = tuple([ItemOutcome(key=item.key, unit=item.unit, reason=item.reason) for item in told])
        return Outcome(
            result=Result.OK,
            items=items,
            account=account.address,
            currency=account.currency,
            available=payer.available,
            enough=enough and all(one.status is Status.ACTIVE for one in accounts),
        )

    async def _enquire(self, event: ChargingEvent, catalogue: Catalogue) -> Outcome:
        if _is_emergency(event, catalogue):
            return Outcome(result=Result.OK, reason=emergency.WHY)
        known = await self._subscribers.find(event.identities)
        if known is None:
            return self._nobody(event)
        active = Chain(accounts=(replace(known, status=Status.ACTIVE),))
        priced = explain.items(event, chain.quote(catalogue, active, event, None).told, None)
        bad = next((item for item in priced if item.reason in (Reason.UNRATEABLE, Reason.BARRED)), None)
        items = [ItemOutcome(key=item.key, unit=item.unit, cost=item.price) for item in priced]
        return Outcome(
            result=answers.REFUSALS[bad.reason] if bad else Result.OK,
            reason=bad.why if bad else "",
            items=() if bad else tuple(items),
            account=known.address,
            currency=known.currency,
            spent=0 if bad else sum(item.price for item in priced),
        )

    async def _read(self, event: ChargingEvent) -> Account | None:
        """The account with its balance as it is now."""
        for _ in range(ATTEMPTS):
            known = await self._subscribers.find(event.identities)
            if known is None:
                return None
            try:
                account = await self.ledger.account(known.address)
            except NoSuchAccount:
                self._subscribers.forget(known.address.account)
                continue
            known = self._subscribers.learn(account)
            if any(identity in known.identities for identity in event.identities):
                return account
        return None


def _sale(catalogue: Catalogue, known: Subscriber | None, event: ChargingEvent) -> tuple[Matcher, Price | None]:
    """What is known of a call, and the price at which the subscriber's plan sells it, whoever pays first."""
    plan, currency = (known.plan, known.currency) if known else ("", "")
    matcher = Matcher(catalogue, plan, currency, event.service, event.door, event.at)
    held = matcher.find(None, None)
    return matcher, held.match.rate.quote.price if held else None


def _payer(accounts: Chain) -> Payer:
    account = accounts.accounts[accounts.payer]
    return Payer(account=account.address.account, currency=account.currency)


def _is_emergency(event: ChargingEvent, catalogue: Catalogue) -> bool:
    return event.service is not None and catalogue.is_emergency_use(event.service)


def _names(service: Service) -> str:
    return service.apn if service.kind is ServiceKind.DATA else service.called


def _anybody(catalogue: Catalogue, plan: str) -> Subscriber:
    """A subscriber of a plan, for a price without an account."""
    found = catalogue.find(plan)
    return Subscriber(
        address=Address(shard=0, account=""), version=0, status=Status.ACTIVE, plan=plan,
        currency=found.currency if found else "", identities=(),
    )  # fmt: skip
