"""The charging server, the phones and the ear on the wire, fresh for each module; logs of all of them on failure."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop import programs
from tests.interop.crowd import Crowd
from tests.interop.daemon import Daemon
from tests.interop.network import Network, any_network
from tests.interop.phones import Phones
from tests.interop.wire import Capture, may_capture


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if report.failed and "interop" in item.path.parts:
        for name, path in programs.logs.items():
            text = path.read_text(errors="replace") if path.exists() else ""
            said = text.partition("--- Statistics Screen")[0]  # SIPp's are long and say nothing of one call
            report.sections.append((f"log of {name}", "\n".join(said.splitlines()[-60:])))
    return report


@pytest.fixture(scope="module")
def network() -> Network:
    return any_network()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    programs.logs.clear()
    yield tmp_path_factory.mktemp("interop")
    programs.logs.clear()


@pytest.fixture(scope="module")
def capture(network: Network, directory: Path) -> Iterator[Capture | None]:
    """None where this user may not capture."""
    if not may_capture():
        yield None
        return
    capture = Capture(network, directory)
    yield capture
    capture.stop()


@pytest.fixture(scope="module")
def daemon(network: Network, directory: Path, capture: Capture | None) -> Iterator[Daemon]:
    daemon = Daemon(network, directory)
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def crowd(network: Network, directory: Path, request: pytest.FixtureRequest) -> Iterator[Crowd]:
    prefix = f"4917{2000 + abs(hash(request.node.name)) % 7000}0"
    crowd = Crowd(network, directory, prefix)
    yield crowd
    crowd.close()


@pytest.fixture
def phones(network: Network, directory: Path) -> Iterator[Phones]:
    phones = Phones(network, directory)
    yield phones
    for name in phones.close():
        programs.logs.pop(name, None)
