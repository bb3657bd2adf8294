"""Two kinds of mistakes: the peer's, which is answered, and our own, which is a bug.

A RemoteError carries what the peer has to be told (RFC 6733 section 7): the Result-Code, the content of the
Failed-AVP and a sentence. A LocalError never leaves the process.
"""


class DiameterError(Exception):
    """Any error of this package."""


class LocalError(DiameterError):
    """We were about to send something that cannot be encoded, or used the package wrongly."""


class RemoteError(DiameterError):
    """A peer sent something that must be answered with ``result_code``.

    ``failed_avp`` is the complete offending AVP (with header and padding), or an example of the missing one, for the
    Failed-AVP; empty if there is nothing to show.
    """

    def __init__(self, result_code: int, message: str, failed_avp: bytes = b"") -> None:
        super().__init__(f"{result_code}: {message}")
        self.result_code = int(result_code)
        self.message = message
        self.failed_avp = failed_avp
