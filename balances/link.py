"""The hot link to the store: one connection, calls of one loop turn in one write, a deadline for each.

Nothing is ever sent twice behind the caller's back: a call whose connection breaks or whose time is over fails with
Unavailable, its outcome unknown, and only the caller may repeat it under the same operation id. The one exception is
the store's own word that it ran nothing, because it does not know the script.
"""

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter
from typing import Any, cast

import hiredis

from balances.health import CONNECTION, Health
from balances.ledger import Unavailable
from balances.observer import Observer, Unobserved
from balances.target import Target, parse_target

Argument = str | bytes | int
Reply = Any
"""bytes, int, None or a list of them: what the store's protocol has."""

_NOTHING = object()
_BACKOFF = (0.02, 2.0)
"""First and longest pause between attempts to connect, in seconds."""

_NOT_NOW = ("LOADING", "READONLY", "MASTERDOWN", "MISCONF", "OOM", "BUSY", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS")
"""Errors with which a healthy store refuses before it runs anything: worth a repeat later."""


_NOT_LOADED = ("NOSCRIPT", "ERR Function not found")
"""The store's own word that it ran nothing, since it does not know the script."""


class ReplyError(Exception):
    """The store answered with an error: a refused command or a script that failed."""


class Script:
    """A Lua script under the name its durations are counted by."""

    __slots__ = ("name", "sha", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"<script {self.name} {self.sha[:8]}>"

    def load(self) -> tuple[Argument, ...]:
        """The command that has the store keep it."""
        return "SCRIPT", "LOAD", self.text

    def run(self, keys: Sequence[bytes], args: Sequence[Argument]) -> tuple[Argument, ...]:
        """The command that runs it where it is kept."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


class Function(Script):
    """A Lua function kept in a library of its own; the text ends with the definition of a function of its name.

    The library is named after its content, so that processes of two releases do not disturb each other.
    """

    __slots__ = ("library",)

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.library = f"ocs_{name}_{self.sha[:12]}"
        body = text.partition("\n")[2] if text.startswith("#!") else text
        self.text = f"#!lua name={self.library}\n{body}\nredis.register_function('{self.library}', {name})\n"

    def load(self) -> tuple[Argument, ...]:
        return "FUNCTION", "LOAD", "REPLACE", self.text

    def run(self, keys: Sequence[bytes], args: Sequence[Argument]) -> tuple[Argument, ...]:
        return ("FCALL", self.library, len(keys), *keys, *args)


class Call:
    """A command that waits for its reply. It keeps its place in the queue when nobody waits any more."""

    __slots__ = ("args", "deadline", "future", "hops", "keys", "loaded", "name", "script", "started")

    def __init__(
        self, name: str, script: Script | None = None, keys: Sequence[bytes] = (), args: Sequence[Argument] = ()
    ) -> None:
        self.name = name
        self.script = script
        self.keys = keys
        self.args = args
        self.future: asyncio.Future[Reply]
        self.started = 0.0
        self.deadline = 0.0
        self.hops = 0
        """How often it was sent on to another node."""
        self.loaded = False
        """Its script was loaded for it, once."""

    def command(self) -> tuple[Argument, ...]:
        """It, for sending it once more where the store's word is that it ran nothing."""
        return tuple(self.args) if self.script is None else self.script.run(self.keys, self.args)


class Connection(asyncio.Protocol):
    """One connection's life: write in batches, match replies to calls in their order."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout: float,
        observer: Observer,
        health: Health,
        on_lost: Callable[["Connection"], None],
        redirected: "Redirected | None",
    ) -> None:
        self.loop = loop
        self.health = health
        self.on_lost = on_lost
        self.redirected = redirected
        self.timeout = timeout
        self.observer = observer
        self.pending: deque[Call] = deque()
        self.lost = asyncio.Event()
        self._loading: set[str] = set()
        self._out: list[bytes] = []
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not registered as such

    def request(self, call: Call, command: tuple[Argument, ...]) -> "asyncio.Future[Reply]":
        """Send a call for the first time."""
        call.future = self.loop.create_future()
        call.started = perf_counter()  # uvloop's clock stands still within a turn and counts milliseconds
        call.deadline = self.loop.time() + self.timeout
        self._send(call, _pack(command))
        return call.future

    def repeat(self, call: Call, asking: bool) -> None:
        """Send a call again that ran nowhere; its future and deadline are those of the first time."""
        if asking:
            ask = Call("ASKING")
            ask.future, ask.deadline = self.loop.create_future(), call.deadline
            self._send(ask, _pack(("ASKING",)))
        self._send(call, _pack(call.command()))

    def _send(self, call: Call, packed: bytes) -> None:
        if not self._out:
            self.loop.call_soon(self._flush)
        self._out.append(packed)
        self.pending.append(call)
        if self._watch is None:
            self._watch = self.loop.call_at(call.deadline, self._expire)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _NOTHING:
                if not self.pending:
                    raise hiredis.ProtocolError("a reply to no call")
                self._answer(self.pending.popleft(), reply)
        except hiredis.ProtocolError:
            self.abort()

    def _answer(self, call: Call, reply: Reply) -> None:
        if isinstance(reply, hiredis.ReplyError):
            self._fail(call, str(reply))
            return
        if self.health.failing is not None:
            self.health.answered(call.name, self.loop.time())
        if call.script is not None:
            self.observer.script(call.name, perf_counter() - call.started)
        if not call.future.done():
            call.future.set_result(reply)

    def _fail(self, call: Call, message: str) -> None:
        forgotten = call.script is not None and message.startswith(_NOT_LOADED)
        if call.script is not None and forgotten and not call.loaded and not call.future.done():
            call.loaded = True
            self._load(call.script, call.deadline)
            self._send(call, _pack(call.command()))
            return
        if self.redirected and message.startswith(("MOVED ", "ASK ")) and self.redirected(call, message):
            return
        self.observer.error("reply")
        not_now = forgotten or message.startswith(_NOT_NOW)
        if not_now:
            self.health.failed(call.name, message, self.loop.time())
        if not call.future.done():
            error = Unavailable if not_now else ReplyError
            call.future.set_exception(error(f"{call.name}: {message}"))
        if message.startswith("READONLY"):
            self.abort()  # a master no longer: perhaps another is to be found

    def _load(self, script: Script, deadline: float) -> None:
        """Have the store keep a script, once for all calls that wait for it; whether it does shows when it is run."""
        if script.name in self._loading:
            return
        self._loading.add(script.name)

        def loaded(done: asyncio.Future[Reply]) -> None:
            self._loading.discard(script.name)
            done.exception()  # seen: the calls behind it fail by themselves

        load = Call("load")
        load.future, load.deadline = self.loop.create_future(), deadline
        load.future.add_done_callback(loaded)
        self._send(load, _pack(script.load()))

    def _expire(self) -> None:
        """Fail the calls whose time is over. A store silent for twice that long is given up: the line may be dead."""
        self._watch = None
        now = self.loop.time()
        for call in self.pending:
            if call.deadline > now:
                break
            if not call.future.done():
                self.observer.error("timeout")
                words = f"{call.name}: no answer in {self.timeout:g} s"
                self.health.failed(call.name, words, now)
                call.future.set_exception(Unavailable(words))
        if self.pending:
            oldest = self.pending[0]
            if oldest.deadline + self.timeout <= now:
                self.abort()
                return
            waiting = (call.deadline for call in self.pending if call.deadline > now)
            self._watch = self.loop.call_at(min(next(waiting, now + self.timeout), now + self.timeout), self._expire)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.on_lost(self)
        if self._watch is not None:
            self._watch.cancel()
        pending, self.pending, self._out = self.pending, deque(), []
        for call in pending:
            if not call.future.done():
                self.observer.error("connection")
                call.future.set_exception(Unavailable(f"{call.name}: the connection to the store broke"))
        self.lost.set()


Redirected = Callable[[Call, str], bool]
"""Told of a call that another node must answer; says whether it was sent there."""


class Link:
    """The store, as long as it can be reached: one instance. ``topology.link_to`` makes the link a target needs.

    ``timeout``: seconds after which a call is Unavailable. ``limit``: calls in flight; one more is Unavailable at once.
    ``scripts`` are loaded at every connect. While there is no connection each call fails at once; the link keeps trying
    to connect until it is closed.
    """

    def __init__(
        self,
        url: str | Target,
        *,
        scripts: Iterable[Script] = (),
        name: str = "ocs",
        timeout: float = 2.0,
        limit: int = 10_000,
        observer: Observer | None = None,
    ) -> None:
        self.target = parse_target(url) if isinstance(url, str) else url
        self.name = name
        self._scripts = list(scripts)
        self._timeout = timeout
        self._limit = limit
        self._observer: Observer = observer or Unobserved()
        self._health = Health(self.target)
        self._connection: Connection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lost_at: float | None = None
        """When the connection was lost, by the loop's clock; None: it stands, or there was none yet."""
        self.redirected: Redirected | None = None

    def __repr__(self) -> str:
        state = f"{self.in_flight} in flight" if self.connected else "not connected"
        return f"<Link {self.target} {state}>"

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def away(self) -> float:
        """Seconds for which there has been no connection; 0: there is one."""
        return 0.0 if self._lost_at is None else max(asyncio.get_running_loop().time() - self._lost_at, 1e-6)

    @property
    def in_flight(self) -> int:
        return len(self._connection.pending) if self._connection else 0

    async def open(self, patience: float = 10.0) -> None:
        """Connect and keep connected; raises Unavailable with the reason after ``patience`` seconds of trying."""
        deadline = asyncio.get_running_loop().time() + patience
        for pause in _pauses():
            try:
                connection = await self._connect()
                break
            except (OSError, Unavailable, ReplyError) as problem:
                if asyncio.get_running_loop().time() + pause >= deadline or isinstance(problem, ReplyError):
                    raise Unavailable(f"{self.target}: {problem}") from problem
            await asyncio.sleep(pause)
        self.keep(connection)

    def keep(self, connection: Connection | None = None) -> None:
        """Keep connected from now on, whether there is a connection yet or not."""
        if connection is None:
            self._lost_at = asyncio.get_running_loop().time()
        self._keeper = asyncio.create_task(self._keep(connection), name=f"link {self.target}")

    async def close(self) -> None:
        """Let the calls in flight end (each has its deadline), then disconnect. The link is not used again."""
        connection, self._connection = self._connection, None
        if self._keeper is not None:
            self._keeper.cancel()
        if connection is not None:
            if waiting := [call.future for call in connection.pending if not call.future.done()]:
                await asyncio.wait(waiting)
            connection.close()
            await connection.lost.wait()

    def call(self, *args: Argument) -> "asyncio.Future[Reply]":
        """Send one command; the future holds its reply, ReplyError or Unavailable."""
        return self._request(Call(str(args[0]), args=args), args)

    def node_of(self, key: bytes) -> "Link":  # noqa: ARG002
        """The link to the master that has a key."""
        return self

    async def everywhere(self, *args: Argument) -> list[Reply]:
        """Send one command to every master there is."""
        return [await self.call(*args)]

    def script(self, script: Script, keys: Sequence[bytes], args: Sequence[Argument]) -> "asyncio.Future[Reply]":
        """Run a script in one round trip; the future holds its reply, ReplyError or Unavailable."""
        return self._request(Call(script.name, script, keys, args), script.run(keys, args))

    def _request(self, call: Call, command: tuple[Argument, ...]) -> "asyncio.Future[Reply]":
        connection = self._connection
        if connection is None:
            return self._refuse("connection", f"{call.name}: no connection to the store")
        if len(connection.pending) >= self._limit:
            return self._refuse("overload", f"{call.name}: {self._limit} calls are in flight")
        return connection.request(call, command)

    def _refuse(self, reason: str, message: str) -> "asyncio.Future[Reply]":
        self._observer.error(reason)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        future.set_exception(Unavailable(message))
        return future

    async def _keep(self, connection: Connection | None) -> None:
        """Connect again whenever the connection is lost, with growing pauses."""
        while True:
            if connection is not None:
                await connection.lost.wait()
            for pause in _pauses():
                try:
                    connection = await self._connect()
                    break
                except (OSError, Unavailable, ReplyError):
                    await asyncio.sleep(pause)

    async def _connect(self) -> Connection:
        """One attempt: connect, introduce ourselves, load the scripts; only then may calls use the connection."""
        loop = asyncio.get_running_loop()

        def protocol() -> Connection:
            return Connection(loop, self._timeout, self._observer, self._health, self._forget, self.redirected)

        try:
            async with asyncio.timeout(self._timeout):
                target = await self._locate()
                if target.path:
                    _, connection = await loop.create_unix_connection(protocol, target.path)
                else:
                    context = target.ssl_context()
                    _, connection = await loop.create_connection(protocol, target.host, target.port, ssl=context)
        except TimeoutError:
            raise Unavailable(f"no connection in {self._timeout:g} s") from None
        try:
            for command in self._introduction():
                await connection.request(Call(str(command[0])), command)
            await self._examine(connection)
            await self._load_scripts(connection)
        except BaseException:
            connection.abort()
            raise
        self._connection, self._lost_at = connection, None
        self._health.connected()
        return connection

    async def _load_scripts(self, connection: Connection) -> None:
        """A store that is full or read-only keeps no function; it may be able to when one is called."""
        for script in self._scripts:
            command = script.load()
            try:
                await connection.request(Call(str(command[0])), command)
            except Unavailable:
                if connection.lost.is_set() or not isinstance(script, Function):
                    raise

    async def _locate(self) -> Target:
        """The instance to connect to now."""
        return self.target

    async def _examine(self, connection: Connection) -> None:
        """Is this whom we wanted? Raises Unavailable."""

    def _forget(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None
            now = self._lost_at = asyncio.get_running_loop().time()
            self._health.failed(CONNECTION, "the connection broke", now)

    def _introduction(self) -> Iterator[tuple[Argument, ...]]:
        target = self.target
        if target.password:
            yield ("AUTH", target.username, target.password) if target.username else ("AUTH", target.password)
        if target.db:
            yield "SELECT", target.db
        yield "CLIENT", "SETNAME", self.name


def _pack(command: tuple[Argument, ...]) -> bytes:
    return hiredis.pack_command(command)  # type: ignore[arg-type, no-any-return]


def _pauses() -> Iterator[float]:
    """Seconds between attempts to connect: doubling, with jitter, so that processes do not march in step."""
    pause, longest = _BACKOFF
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, longest)
