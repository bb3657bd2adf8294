"""A responder that decides nothing: what the generator is proved against."""

import asyncio
import sys
from typing import cast

import uvloop

from bench.messages import GRANTS, PROFILES, SLICE, Profile
from ocs.diameter import avps
from ocs.diameter.codec import encode_message

_SUCCESS = avps.RESULT_CODE.encode(2001)


def _answer(profile: Profile) -> bytes:
    """Its octets for every request of a session of this kind."""
    parts = [_SUCCESS, avps.CC_REQUEST_NUMBER.encode(0)]
    if profile.seconds:
        granted = avps.GRANTED_SERVICE_UNIT.encode([avps.CC_TIME.encode(SLICE)])
        parts.append(avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([granted, _SUCCESS]))
    elif not profile.groups:
        parts.append(avps.GRANTED_SERVICE_UNIT.encode([avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)]))
    for group in profile.groups:
        granted = avps.GRANTED_SERVICE_UNIT.encode([avps.CC_TOTAL_OCTETS.encode(GRANTS[group])])
        parts.append(avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([granted, avps.RATING_GROUP.encode(group), _SUCCESS]))
    return encode_message(0x40, 272, 4, 0, 0, parts)


class Responder(asyncio.Protocol):
    """Answers each message with the same octets and its identifiers."""

    answers: tuple[tuple[bytes, bytes], ...] = ()
    """What a request of the kind contains, and its answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, out = 0, []
        while len(data) - at >= 20:
            length = int.from_bytes(data[at + 1 : at + 4], "big")
            if len(data) - at < length:
                break
            if data[at + 5 : at + 8] == b"\x00\x01\x10":
                answer = self._answer_to(data, at, at + length)
                out += [answer[:12], data[at + 12 : at + 20], answer[20:]]
            else:
                out.append(encode_message(0, 257, 0, 1, 1, [_SUCCESS]))
            at += length
        self._rest = data[at:]
        self._transport.write(b"".join(out))

    def _answer_to(self, data: bytes, start: int, end: int) -> bytes:
        for context, answer in self.answers[:-1]:
            if data.find(context, start, end) >= 0:
                return answer
        return self.answers[-1][1]


async def main(profile: str) -> None:
    parts = PROFILES[profile].parts or (PROFILES[profile],)
    Responder.answers = tuple({part.context.encode(): _answer(part) for part in parts}.items())
    server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
