"""The ways of our own requests: to a client's own connection, or over an agent that leads to it."""

from typing import Final

from ocs.connection import Connection, PeerUnreachable
from ocs.diameter import avps
from ocs.diameter.codes import RELAY_APPLICATION, Flag, ResultCode
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message

_TRY_ANOTHER: Final = frozenset((ResultCode.UNABLE_TO_DELIVER, ResultCode.TOO_BUSY))


class Routes:
    """Over the connections that are ``open``; ``end_to_end`` is where our End-to-End Identifiers begin."""

    def __init__(self, open: dict[str, Connection], end_to_end: int) -> None:
        self._open = open
        self._end_to_end = end_to_end

    async def send(self, host: str, realm: str, command: int, parts: tuple[bytes, ...], application: int) -> Message:
        """Send a request towards ``host`` and return the answer; raises PeerUnreachable.

        Goes to the peer of that name, else to an agent. Where a connection is lost before the answer the request takes
        the next way, marked as a possible copy (RFC 6733 section 5.5.4), and so it does where an agent cannot deliver
        it (section 7.1.3).
        """
        flags, tried = 0, set[Connection]()
        end_to_end = self._end_to_end = (self._end_to_end + 1) & 0xFFFFFFFF
        failed: Message | None = None
        while True:
            ways = [way for _, way in self._ways(host, realm, application) if way not in tried]
            if not ways:
                break
            way = ways[0]
            tried.add(way)
            try:
                answer = await way.ask(command, application, parts, end_to_end, flags)
            except PeerUnreachable:
                if way.peer.is_usable:
                    raise  # it was sent, the peer is there, and the time is over
                flags = Flag.RETRANSMITTED
                continue
            if not answer.is_error or _result_code(answer) not in _TRY_ANOTHER:
                return answer
            failed = answer
        if failed is None:
            raise PeerUnreachable(f"no peer leads to {host}")
        return failed

    def distance(self, host: str, realm: str, application: int) -> int | None:
        """How far a host is from us: 0 connected, 1 behind an agent of its realm, 2 another agent, None: no way."""
        return next((distance for distance, _ in self._ways(host, realm, application)), None)

    def _ways(self, host: str, realm: str, application: int) -> list[tuple[int, Connection]]:
        """The usable connections that may lead to a host, nearest first."""
        found = []
        for connection in self._open.values():
            capabilities = connection.peer.capabilities
            if capabilities is None or not connection.peer.is_usable:
                continue
            relays = RELAY_APPLICATION in capabilities.applications
            if not relays and application not in capabilities.applications:
                continue
            if capabilities.host.lower() == host.lower():
                found.append((0, connection))
            elif relays or connection.dialer is not None:
                # Whom we connect to ourselves is an agent, also one that names the applications it serves.
                found.append((1 if capabilities.realm.lower() == realm.lower() else 2, connection))
        found.sort(key=lambda way: way[0])
        return found


def _result_code(answer: Message) -> int | None:
    try:
        return answer.get(avps.RESULT_CODE)
    except RemoteError:
        return None
