"""Which sessions a restarted client has lost."""

import msgspec
import pytest

from balances.ledger import Address, Session, SessionState
from ocs.credit_control.request import Client
from ocs.credit_control.restarts import abandoned

HOST = "gw.example.net"


def session(host: str = HOST, state_id: int = 7, door: str = "diameter") -> Session:
    client = Client(host=host, realm="r", service_context="c", session="s", state_id=state_id)
    return Session(
        id="s",
        address=Address(shard=0, account="a"),
        door=door,
        state=SessionState.OPEN,
        opened_at=0,
        updated_at=0,
        deadline=1,
        context=msgspec.msgpack.encode(client),
        spent=0,
        holdings=(),
    )


@pytest.mark.rfc("6733", "8.16")
@pytest.mark.parametrize(
    ("held", "lost"),
    [
        (session(), True),
        (session(state_id=8), False),
        (session(state_id=9), False),
        (session(state_id=0), False),
        (session(host="other.example.net"), False),
        (session(door="sip"), False),
    ],
)
def test_sessions_of_before_the_restart_are_lost(held: Session, lost: bool):
    assert abandoned([held], HOST, 8) == ([held] if lost else [])
