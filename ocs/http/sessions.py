"""Credit sessions of both doors: list, read, abort."""

from balances.ledger import Session, SessionState
from ocs.http.accounts import resolve
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import SessionList, SessionsQuery, SessionView
from ocs.http.problems import Kind, Problem
from ocs.http.views import session_view


async def _find(house: House, session: str) -> Session:
    address = await house.ledger.locate(session)
    found = None if address is None else await house.ledger.session(address, session)
    if found is None:
        raise Problem(Kind.NO_SUCH_SESSION, f"No session, open or lately ended, has the id {session!r}.")
    return found


async def listing(house: House, call: Call[None, SessionsQuery]) -> Reply:
    account = call.query.account
    address = None if account is None else await resolve(house, account)
    found = await house.ledger.sessions(address, call.query.limit)
    return Reply(body=SessionList(sessions=tuple(map(session_view, found))))


async def show(house: House, call: Call[None, None]) -> Reply:
    return Reply(body=session_view(await _find(house, call.path["session"])))


async def abort(house: House, call: Call[None, None]) -> Reply:
    session = await _find(house, call.path["session"])
    if session.state is not SessionState.OPEN:
        raise Problem(Kind.SESSION_ENDED, f"The session is {session.state.value}.")
    await house.abort(session)
    return Reply(body=session_view(await _find(house, session.id)))


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/sessions",
        summary="List open sessions, those due soonest first",
        handler=listing,
        query=SessionsQuery,
        returns={200: SessionList},
        problems=(404,),
    ),
    Operation(
        method="POST",
        path="/v1/sessions/{session}/abort",
        summary="End an open session; a Diameter client is told to, and may report what it has used",
        handler=abort,
        role=Role.OPERATE,
        returns={200: SessionView},
        problems=(404, 409),
    ),
    Operation(
        method="GET",
        path="/v1/sessions/{session}",
        summary="Read a session, open or lately ended",
        handler=show,
        returns={200: SessionView},
        problems=(404,),
    ),
)
