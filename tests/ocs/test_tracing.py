"""Traces: what a collector gets of a request at each door, and that nobody pays for them who wants none."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.gateway import CLOSE, OPEN, Gateway, ccr, octets, result, service, subscriber
from tests.house import ROOT, House
from tests.sip_caller import Caller

NUMBER = "491712345678"


class Collector(HTTPServer):
    """Takes spans as a collector does: OTLP, protobuf over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.spans: list[Span] = []
        self.services: set[str] = set()

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {
                one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def named(self, name: str) -> Span:
        [found] = [span for span in self.spans if span.name == name]
        return found


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert self.headers.get("Content-Encoding") != "gzip"
        assert isinstance(self.server, Collector)
        self.server.take(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever)
    thread.start()
    yield collector
    collector.shutdown()
    collector.server_close()
    thread.join()


def chain(collector: Collector, *names: str) -> None:
    """Each span is the child of the one before it."""
    spans = [collector.named(name) for name in names]
    assert not spans[0].parent_span_id
    for parent, child in pairwise(spans):
        assert (child.trace_id, child.parent_span_id) == (parent.trace_id, parent.span_id)
        assert parent.start_time_unix_nano <= child.start_time_unix_nano
        assert child.end_time_unix_nano <= parent.end_time_unix_nano


async def test_a_request_is_followed_from_the_door_to_the_store(tmp_path: Path, collector: Collector) -> None:
    tracing = {
        "OCS_TRACING__ENDPOINT": f"http://127.0.0.1:{collector.server_port}/v1/traces",
        "OCS_TRACING__SHARE": "1.0",
        "OCS_SIP_CREDIT__ANSWER_WITHIN_MS": "10000",
    }
    with House(tmp_path, **tracing) as house:
        house.open_account(NUMBER, "10.00", sip=f"u{NUMBER}@example.net")
        async with Gateway("127.0.0.1", house.ports["diameter"], "gw.example.net") as gateway:
            who = subscriber(NUMBER)
            assert result(await gateway.ask(ccr("gw;1", OPEN, 0, who, service(10, wanted=())))) == 2001
            assert result(await gateway.ask(ccr("gw;1", CLOSE, 1, who, service(10, used=[octets(10)])))) == 2001
        async with Caller(house.ports["sip"]) as caller:
            assert (await caller.invite(f"u{NUMBER}@example.net", "+493012345678", "call-1")).status == 302
        assert house.stop() == 0  # what waits is sent first
        assert "Traceback" not in house.whole_log
        assert "detach" not in house.whole_log
    chain(collector, "diameter termination", "charging close")
    opened = [span for span in collector.spans if span.name == "charging open"]
    parents = {span.span_id: span.name for span in collector.spans}
    assert {parents[span.parent_span_id] for span in opened} == {"diameter initial", "sip invite"}
    stored = [span for span in collector.spans if span.name == "store charge"]
    assert {parents[span.parent_span_id] for span in stored} == {"charging open", "charging close"}
    assert collector.services == {"ocs"}
    assert NUMBER not in str(collector.spans)


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None  # as where it is not installed
import ocs.daemon, ocs.workers
from ocs.config import ConfigError, load
load(None, {})
try:
    load(None, {"OCS_TRACING__ENDPOINT": "http://127.0.0.1:4318/v1/traces"})
except ConfigError as error:
    print(error)
"""


def test_without_a_collector_nothing_needs_to_be_installed() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == (
        "OCS_TRACING__ENDPOINT: [tracing] endpoint needs packages that are not here: pip install 'ocs[tracing]'\n"
    )
