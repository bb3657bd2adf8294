"""A responder that decides nothing: what the generator is proved against."""

import asyncio
import sys
from typing import cast

import uvloop

from bench.messages import GRANTS, PROFILES, Profile
from ocs.diameter import avps
from ocs.diameter.codec import encode_message

_SUCCESS = avps.RESULT_CODE.encode(2001)


def _answer(profile: Profile) -> bytes:
    parts = [_SUCCESS, avps.CC_REQUEST_NUMBER.encode(0)]
    if not profile.groups:
        parts.append(avps.GRANTED_SERVICE_UNIT.encode([avps.CC_SERVICE_SPECIFIC_UNITS.encode(1)]))
    for group in profile.groups:
        granted = avps.GRANTED_SERVICE_UNIT.encode([avps.CC_TOTAL_OCTETS.encode(GRANTS[group])])
        parts.append(avps.MULTIPLE_SERVICES_CREDIT_CONTROL.encode([granted, avps.RATING_GROUP.encode(group), _SUCCESS]))
    return encode_message(0x40, 272, 4, 0, 0, parts)


class Responder(asyncio.Protocol):
    """Answers each message with the same octets and its identifiers."""

    answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, out, head, rest = 0, [], self.answer[:12], self.answer[20:]
        while len(data) - at >= 20:
            length = int.from_bytes(data[at + 1 : at + 4], "big")
            if len(data) - at < length:
                break
            if data[at + 5 : at + 8] == b"\x00\x01\x10":
                out += [head, data[at + 12 : at + 20], rest]
            else:
                out.append(encode_message(0, 257, 0, 1, 1, [_SUCCESS]))
            at += length
        self._rest = data[at:]
        self._transport.write(b"".join(out))


async def main(profile: str) -> None:
    Responder.answer = _answer(PROFILES[profile])
    server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
