"""The daemon connects to the peers of its configuration: with several workers, one of them to each."""

import socket

import pytest

from tests.house import House


@pytest.mark.parametrize("workers", ["1", "2"])
def test_each_peer_is_connected_to_once(tmp_path, workers):
    with socket.create_server(("127.0.0.1", 0)) as agent, socket.create_server(("127.0.0.1", 0)) as other:
        peers = ", ".join(
            f'{{ host = "127.0.0.1", port = {one.getsockname()[1]}, origin_host = "dra{number}.example.net" }}'
            for number, one in enumerate((agent, other))
        )
        with House(tmp_path, OCS_DAEMON__WORKERS=workers, OCS_DIAMETER__CONNECT=f"[{peers}]") as house:
            for one in (agent, other):
                one.settimeout(10)
                connection, _ = one.accept()
                with connection:
                    connection.settimeout(10)
                    assert connection.recv(8, socket.MSG_WAITALL)[4:] == bytes.fromhex("80000101")
                    one.settimeout(0.5)
                    with pytest.raises(TimeoutError):
                        one.accept()
            wanted = {"dra0.example.net", "dra1.example.net"}
            # A worker that is slow to say whom it has is left out.
            assert any(wanted <= {peer["name"] for peer in house.get("/v1/peers")["peers"]} for _ in range(10))
