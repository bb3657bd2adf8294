"""Is a request for us? (RFC 6733 sections 6.1.4 to 6.1.6: we deliver locally and never forward.)"""

from typing import Final

from ocs.diameter import avps
from ocs.diameter.capabilities import served_applications
from ocs.diameter.codes import BASE_APPLICATION, CREDIT_CONTROL_APPLICATION, SY_APPLICATION, Command, ResultCode
from ocs.diameter.errors import RemoteError
from ocs.diameter.message import Message
from ocs.diameter.settings import DiameterSettings

_COMMANDS: Final = {
    CREDIT_CONTROL_APPLICATION: frozenset((Command.CREDIT_CONTROL,)),
    SY_APPLICATION: frozenset((Command.SPENDING_LIMIT, Command.SESSION_TERMINATION)),
}
"""What an application's clients may ask of us."""


class Destinations:
    """The hosts and realms whose requests are delivered here; identities compare without case."""

    def __init__(self, settings: DiameterSettings) -> None:
        self._host = settings.origin_host
        self._commands = {application: _COMMANDS[application] for application in served_applications(settings)}
        self._realms = frozenset(realm.lower() for realm in (settings.origin_realm, *settings.served_realms))

    def _serves(self, realm: str) -> bool:
        return realm in self._realms or realm.lower() in self._realms or "*" in self._realms

    def check(self, request: Message) -> None:
        """Raise the RemoteError with which a request not meant for us is answered."""
        if request.is_error:
            raise RemoteError(ResultCode.INVALID_HDR_BITS, "a request with the E flag")
        if request.application == BASE_APPLICATION:
            raise RemoteError(ResultCode.COMMAND_UNSUPPORTED, f"command {request.command} is not known here")
        commands = self._commands.get(request.application)
        if commands is None:
            raise RemoteError(
                ResultCode.APPLICATION_UNSUPPORTED, f"application {request.application} is not served here"
            )
        if request.command not in commands:
            raise RemoteError(ResultCode.COMMAND_UNSUPPORTED, f"command {request.command} is not served here")
        if avps.ROUTE_RECORD in request and self._host.lower() in map(str.lower, request.all(avps.ROUTE_RECORD)):
            raise RemoteError(ResultCode.LOOP_DETECTED, "the request has been here before")
        realm = request.get(avps.DESTINATION_REALM)
        if realm is not None and not self._serves(realm):
            raise RemoteError(ResultCode.REALM_NOT_SERVED, f"realm {realm} is not served here")
        host = request.get(avps.DESTINATION_HOST)
        if host is not None and host != self._host and host.lower() != self._host.lower():
            raise RemoteError(ResultCode.UNABLE_TO_DELIVER, f"host {host} is not known here")
