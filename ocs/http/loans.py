"""Emergency credits: what the plan offers, taken by the subscriber, repaid with a fee by what is next put in."""

from balances.ledger import Account, Lending, Loan, Status
from balances.money import format_amount
from charging.catalogue.plan import Plan
from charging.catalogue.wallets import LoanTerms, converted
from ocs.http.accounts import resolve
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import LoanCreate, LoanGiven, LoanOffer, LoanStateView, LoanView
from ocs.http.problems import Kind, Problem
from ocs.http.views import moment, money_view


async def active_account(house: House, name: str) -> tuple[Account, Plan]:
    """An account that may move money of its own, and its plan; raises Problem."""
    account = await house.ledger.account(await resolve(house, name))
    if account.status is not Status.ACTIVE:
        raise Problem(Kind.NOT_ACTIVE, f"Account {name!r} is {account.status}.")
    plan = house.engine.catalogue.find(account.plan, house.clock())
    if plan is None:
        raise Problem(Kind.UNKNOWN_PLAN, f"The catalogue has no plan {account.plan!r}.")
    return account, plan


def _terms(account: Account, plan: Plan) -> LoanTerms | None:
    """The plan's loan in the account's currency."""
    loan, factor = plan.wallet.loan, plan.currencies.get(account.currency)
    if loan is None or factor is None:
        return None
    below = None if loan.when_below is None else converted(loan.when_below, factor)
    return LoanTerms(amount=converted(loan.amount, factor), fee=converted(loan.fee, factor), when_below=below)


def loan_view(loan: Loan) -> LoanView:
    return LoanView(
        amount=format_amount(loan.amount),
        fee=format_amount(loan.fee),
        outstanding=format_amount(loan.outstanding),
        taken_at=moment(loan.taken_at),
    )


async def take(house: House, call: Call[LoanCreate, None]) -> Reply:
    account, plan = await active_account(house, call.path["account"])
    terms = _terms(account, plan)
    if terms is None:
        raise Problem(Kind.NOT_OFFERED, f"Plan {plan.name!r} offers no loan.")
    lending = Lending(
        address=account.address,
        operation=call.key,
        amount=terms.amount,
        fee=terms.fee,
        below=terms.when_below,
        reference=call.body.reference,
        now=house.clock(),
    )
    receipt = await house.ledger.lend(lending)
    if not receipt.repeated:
        house.credited(account.address)
    return Reply(
        status=200 if receipt.repeated else 201,
        body=LoanGiven(entry=receipt.entry, account=account.address.account, money=money_view(receipt.account)),
    )


async def show(house: House, call: Call[None, None]) -> Reply:
    account = await house.ledger.account(await resolve(house, call.path["account"]))
    loan = await house.ledger.loan(account.address)
    plan = house.engine.catalogue.find(account.plan, house.clock())
    terms = None if plan is None else _terms(account, plan)
    offer = None
    if terms is not None:
        below = None if terms.when_below is None else format_amount(terms.when_below)
        offer = LoanOffer(amount=format_amount(terms.amount), fee=format_amount(terms.fee), when_below=below)
    return Reply(body=LoanStateView(loan=None if loan is None else loan_view(loan), offer=offer))


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/accounts/{account}/loans",
        summary="Take the emergency credit of the plan",
        handler=take,
        role=Role.OPERATE,
        body=LoanCreate,
        keyed=True,
        returns={201: LoanGiven, 200: LoanGiven},
        problems=(404, 409),
    ),
    Operation(
        method="GET",
        path="/v1/accounts/{account}/loans",
        summary="What is still to be repaid, and what the plan offers",
        handler=show,
        returns={200: LoanStateView},
        problems=(404,),
    ),
)
