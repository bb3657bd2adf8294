"""Traces, where a collector is named: a span for each request at a door, for its charging, for each call to the store.

Nothing of this is in the way where no collector is named: then the plain engine, link and handlers are used, and this
module is not even imported. Only it needs the packages of the extra ``tracing``. No span names a subscriber.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode

import ocs
from balances.link import Argument, Link, Reply, Script
from charging.engine import Engine
from charging.event import ChargingEvent, Outcome, Result
from ocs.diameter.answer import Answer
from ocs.diameter.message import Message
from ocs.metrics import Metrics
from ocs.observers import SipDoor
from ocs.pending import Handler, PeerInfo, kind_of
from ocs.telling import Teller
from ocs.tracing_settings import TracingSettings


class Tracing:
    """Gives what is to be watched a watched form. Spans are sent in batches, by a thread of their own."""

    def __init__(self, settings: TracingSettings, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create({"service.name": settings.service, "service.version": ocs.__version__})
        self._provider = TracerProvider(resource=resource, sampler=TraceIdRatioBased(settings.share))
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(settings.endpoint)))
        self._tracer = self._provider.get_tracer("ocs", ocs.__version__)

    async def close(self) -> None:
        """Send what waits; the collector may be slow, and the loop is not to wait for it."""
        await asyncio.to_thread(self._provider.shutdown)

    def handler(self, handler: Handler) -> Handler:
        """The Diameter door's handler: a span from a request's turn to its answer."""

        async def decided(request: Message, peer: PeerInfo) -> Answer:
            name = f"diameter {kind_of(request)}"
            attributes = {"ocs.door": "diameter", "ocs.peer": peer.host}
            with self._tracer.start_as_current_span(name, context.Context(), SpanKind.SERVER, attributes) as span:
                answer = await handler(request, peer)
                span.set_attribute("ocs.result_code", answer.result_code)
                return answer

        async def traced(request: Message, peer: PeerInfo) -> Answer:
            """In a task: it has a context of its own, where the span is the current one."""
            task = asyncio.get_running_loop().create_task(decided(request, peer))
            try:
                return await task
            finally:
                task.cancel()  # given up; else it is done

        return traced

    def sip_door(self, metrics: Metrics, teller: Teller) -> SipDoor:
        """The SIP door's observer: a span from a request's receipt to its answer."""
        return _TracedSipDoor(metrics, teller, self._tracer)

    def engine(self, *args: Any) -> Engine:
        """A charging engine: a span for each event it handles."""
        return _TracedEngine(self._tracer, *args)

    def link(self, link: Link) -> Link:
        """A link to the store: a span from each call to its reply, queueing included."""
        return cast("Link", _TracedLink(link, self._tracer))


class _TracedSipDoor(SipDoor):
    """A request's span is in the context of whatever is done for it, timers included.

    A request that answers another one too (CANCEL) has but its own span.
    """

    def __init__(self, metrics: Metrics, teller: Teller, tracer: trace.Tracer) -> None:
        super().__init__(metrics, teller)
        self._tracer = tracer

    def received(self) -> None:
        super().received()
        span = self._tracer.start_span("sip", context.Context(), SpanKind.SERVER, {"ocs.door": "sip"})
        context.attach(trace.set_span_in_context(span, context.Context()))

    def request(self, type: str, status: int, seconds: float) -> None:
        super().request(type, status, seconds)
        span = trace.get_current_span()
        if span.is_recording():
            span.update_name(f"sip {type}")
            span.set_attribute("ocs.status", status)
            span.end()


class _TracedEngine(Engine):
    def __init__(self, tracer: trace.Tracer, *args: Any) -> None:
        super().__init__(*args)
        self._tracer = tracer

    async def handle(self, event: ChargingEvent) -> Outcome:
        attributes = {"ocs.door": event.door, "ocs.session": event.session, "ocs.operation": event.operation}
        with self._tracer.start_as_current_span(f"charging {event.phase.value}", attributes=attributes) as span:
            outcome = await super().handle(event)
            span.set_attributes({"ocs.result": outcome.result.value, "ocs.replayed": outcome.replayed})
            if outcome.result is Result.UNAVAILABLE:
                span.set_status(Status(StatusCode.ERROR, outcome.reason))
            return outcome


class _TracedLink:
    """Everything but calls and scripts is the link's own."""

    def __init__(self, link: Link, tracer: trace.Tracer) -> None:
        self._link = link
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    def call(self, *args: Argument) -> "asyncio.Future[Reply]":
        return self._traced(str(args[0]), lambda: self._link.call(*args))

    def script(self, script: Script, keys: Sequence[bytes], args: Sequence[Argument]) -> "asyncio.Future[Reply]":
        return self._traced(script.name, lambda: self._link.script(script, keys, args))

    def _traced(self, name: str, send: Callable[[], "asyncio.Future[Reply]"]) -> "asyncio.Future[Reply]":
        """Outside a request (chores) nothing is traced: there would be no end of it."""
        if not trace.get_current_span().get_span_context().is_valid:
            return send()
        span = self._tracer.start_span(f"store {name}", kind=SpanKind.CLIENT, attributes={"db.system.name": "redis"})
        future = send()

        def done(answered: "asyncio.Future[Reply]") -> None:
            if not answered.cancelled() and (problem := answered.exception()) is not None:
                span.set_status(Status(StatusCode.ERROR, str(problem)))
            span.end()

        future.add_done_callback(done)
        return future
