"""Sockets bound beforehand: free ports, the same for all workers, an address in use said plainly."""

import pytest

from ocs.config import load
from ocs.sockets import CannotListen, bind_doors, bind_tcp, port_of


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return load(None, {"OCS_DIAMETER__PORT": "0", "OCS_SIP_CREDIT__PORT": "0"})


@pytest.fixture
def opened():
    sockets = []
    yield sockets
    for one in sockets:
        one.close()


def test_all_workers_share_the_ports_and_sip_has_one_for_udp_and_tcp(config, opened):
    sets = bind_doors(config, 3)
    opened += sets
    assert len({one.diameter_port for one in sets}) == 1
    assert len({port_of(socket) for one in sets for socket in (one.sip_udp, one.sip_tcp)}) == 1


def test_one_process_does_not_share(config, opened):
    (alone,) = bind_doors(config, 1)
    opened.append(alone)
    with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{alone.diameter_port} \(stream\): Address already in use"):
        bind_tcp("127.0.0.1", alone.diameter_port)


def test_a_host_that_is_none():
    with pytest.raises(CannotListen, match=r"256\.0\.0\.1:0"):
        bind_tcp("256.0.0.1", 0)
