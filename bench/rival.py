"""python-diameter's own Node: reads each CCR and answers it, charging nothing. Prints its port, then serves."""

import logging
import socket
import threading
from typing import Any

from diameter.message import constants
from diameter.message.avp import grouped
from diameter.message.commands.credit_control import CreditControlRequest
from diameter.node import Node
from diameter.node.application import Application

from bench.messages import GRANTS

PEERS = 4


class Answering(Application):
    """In the Node's own thread: no queue, no thread for each request."""

    def handle_request(self, message: Any) -> None:
        assert isinstance(message, CreditControlRequest)
        answer: Any = self.generate_answer(message, result_code=constants.E_RESULT_CODE_DIAMETER_SUCCESS)
        answer.cc_request_type, answer.cc_request_number = message.cc_request_type, message.cc_request_number
        for service in message.multiple_services_credit_control:
            group = service.rating_group
            answer.multiple_services_credit_control.append(
                grouped.MultipleServicesCreditControl(
                    granted_service_unit=grouped.GrantedServiceUnit(cc_total_octets=GRANTS[group]),
                    rating_group=group,
                    result_code=constants.E_RESULT_CODE_DIAMETER_SUCCESS,
                )
            )
        self.send_answer(answer)


def main() -> None:
    logging.disable(logging.CRITICAL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    node = Node("rival.example.net", "example.net", ip_addresses=["127.0.0.1"], tcp_port=port)
    realm = "bench.example.net"
    peers = [node.add_peer(f"aaa://gw{number}.{realm}", realm) for number in range(PEERS)]
    node.add_application(Answering(4, is_auth_application=True), peers, ["example.net"])
    node.start()
    print(port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
