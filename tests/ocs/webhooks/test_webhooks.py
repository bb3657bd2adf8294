"""Webhooks of a running daemon, to a receiver that fails half the time; and across a crash."""

import asyncio
import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import pytest

from ocs.webhooks.sender import signature
from tests.gateway import CLOSE, OPEN, UPDATE, Gateway, ccr, octets, service, subscriber
from tests.house import House

SECRET = "a-secret-of-both"
PATIENCE = 60.0


class Receiver(ThreadingHTTPServer):
    """Takes every second attempt, and checks each signature as its documentation says."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.taken: list[dict[str, object]] = []
        self.forged = 0
        self.deaf = False
        super().__init__(("127.0.0.1", 0), Answer)

    def events(self, account: str) -> list[tuple[object, object]]:
        return sorted({(one["event"], one["threshold"]) for one in self.taken if one["account"] == account}, key=str)


class Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        id, at = self.headers["webhook-id"], int(self.headers["webhook-timestamp"])
        good = self.headers["webhook-signature"] == signature(SECRET.encode(), id, at, body)
        self.server.forged += not good
        self.server.asked[id] += 1
        fails = self.server.deaf or self.server.asked[id] % 2 == 1
        if not fails:
            self.server.taken.append(json.loads(body))
        self.send_response(503 if fails else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


def settings(directory: Path, receiver: Receiver) -> dict[str, str]:
    secret = directory / "secret"
    secret.write_text(SECRET + "\n")
    return {
        "OCS_WEBHOOKS__URL": f"http://127.0.0.1:{receiver.server_address[1]}/hook",
        "OCS_WEBHOOKS__SECRET_FILE": str(secret),
        "OCS_WEBHOOKS__FIRST_PAUSE": "0.05",
        "OCS_WEBHOOKS__THRESHOLDS": '["1.00", "2.00"]',
    }


def eventually_so(found: Callable[[], object], expected: object) -> None:
    end = time.monotonic() + PATIENCE
    while (now := found()) != expected:
        assert time.monotonic() < end, now
        time.sleep(0.05)


def eventually(receiver: Receiver, account: str, expected: list[tuple[object, object]]) -> None:
    eventually_so(lambda: receiver.events(account), expected)


def told_in_the_log(house: House, ids: set[str], expected: list[tuple[int, str, str]]) -> None:
    """The log is written after the receiver's answer was read: it may lag behind what the receiver has."""

    def attempts() -> list[tuple[int, str, str]]:
        log = house.get("/v1/webhooks/deliveries", limit=1000)["deliveries"]
        return sorted((one["attempt"], one["result"], one["reason"]) for one in log if one["notice"]["id"] in ids)

    eventually_so(attempts, expected)


ALL = [("balance.depleted", "0.00"), ("balance.low", "1.00"), ("balance.low", "2.00")]


def adjust(house: House, account: str, amount: str) -> None:
    house.post(f"/v1/accounts/{account}/adjustments", {"amount": amount, "reason": "test"})


def wait_until_it_listens(house: House, receiver: Receiver) -> None:
    """What was before the very first look is no news: wait until an entry is."""
    account = house.open_account("491704440000", "3.00")
    end = time.monotonic() + PATIENCE
    while not receiver.asked:
        assert time.monotonic() < end
        adjust(house, account, "-2.50")
        house.post(f"/v1/accounts/{account}/topups", {"amount": "2.50"})
        time.sleep(0.3)


def test_a_receiver_that_fails_half_the_time_gets_each_notice_signed(tmp_path: Path, receiver: Receiver) -> None:
    with House(tmp_path, **settings(tmp_path, receiver)) as house:
        wait_until_it_listens(house, receiver)
        account = house.open_account("491704440001", "3.00")
        adjust(house, account, "-2.50")
        adjust(house, account, "-0.50")
        eventually(receiver, account, ALL)
        ids = {one["id"] for one in receiver.taken if one["account"] == account}
        assert all(receiver.asked[id] == 2 for id in ids), "refused once, taken then, and not sent again"
        told_in_the_log(house, ids, [(1, "failed", "status 503")] * 3 + [(2, "delivered", "")] * 3)
        assert receiver.forged == 0


def test_a_threshold_is_told_once_until_the_next_credit(tmp_path: Path, receiver: Receiver) -> None:
    with House(tmp_path, **settings(tmp_path, receiver)) as house:
        wait_until_it_listens(house, receiver)
        account = house.open_account("491704440002", "1.50")
        adjust(house, account, "-0.60")
        house.post(f"/v1/accounts/{account}/topups", {"amount": "1.00"})
        adjust(house, account, "-1.00")
        end = time.monotonic() + PATIENCE
        while len([one for one in receiver.taken if one["account"] == account]) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert receiver.events(account) == [("balance.low", "1.00")]
        assert len({one["id"] for one in receiver.taken if one["account"] == account}) == 2


def test_an_account_has_thresholds_of_its_own_and_asks_for_top_ups(tmp_path: Path, receiver: Receiver) -> None:
    with House(tmp_path, **settings(tmp_path, receiver)) as house:
        wait_until_it_listens(house, receiver)
        account = house.open_account("491704440004", "5.00")
        path = f"/v1/accounts/{account}/alerts"
        assert house.get(path) == {"account": account, "thresholds": None, "auto_topup": None}
        setting = {"thresholds": ["4.00"], "auto_topup": {"below": "3.00", "amount": "2.50"}}
        changed = house._api.put(path, json=setting)
        assert changed.status_code == 200, changed.text
        assert house.get(path) == {"account": account} | setting
        adjust(house, account, "-2.50")
        adjust(house, account, "-1.00")
        eventually(receiver, account, [("auto-topup", "3.00"), ("balance.low", "4.00")])
        (asked,) = [one for one in receiver.taken if one["event"] == "auto-topup"]
        body = {"amount": asked["amount"], "reference": "auto top-up"}
        for status in (201, 200):  # the receiver may be told twice: the id is the key of its answer
            headers = {"Idempotency-Key": str(asked["id"])}
            answer = house._api.post(f"/v1/accounts/{account}/topups", json=body, headers=headers)
            assert answer.status_code == status
        adjust(house, account, "-1.50")
        end = time.monotonic() + PATIENCE
        while len([one for one in receiver.taken if one["event"] == "auto-topup"]) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert receiver.forged == 0


async def test_a_bundle_is_told_of_at_the_shares_that_its_offer_names(tmp_path: Path, receiver: Receiver) -> None:
    sample = (files("charging") / "sample" / "catalogue.toml").read_text()
    head = "[offers.data-1gb]\n"
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(sample.replace(head, f'{head}warn_at = ["50 %", "800 MB", "100 %"]\n'))
    more = {"OCS_CHARGING__CATALOGUE": str(catalogue)}
    with House(tmp_path, **settings(tmp_path, receiver), **more) as house:
        wait_until_it_listens(house, receiver)
        account = house.open_account("491704440005", "3.00")
        house.post(f"/v1/accounts/{account}/buckets", {"offer": "data-1gb"})
        async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
            who = subscriber("491704440005")
            await gateway.ask(ccr("gw;warned", OPEN, 0, who, service(10, wanted=())))
            for turn, used in enumerate((499_999_999, 1, 290_000_000, 20_000_000), start=1):
                usage = service(10, wanted=(), used=[octets(used)])
                await gateway.ask(ccr("gw;warned", UPDATE, turn, who, usage))
                told = [[], [("bucket.low", "50%")], [("bucket.low", "50%")], SHARES][turn - 1]
                await asyncio.to_thread(eventually, receiver, account, told)
            await gateway.ask(ccr("gw;warned", CLOSE, 5, who, service(10, used=[octets(190_000_000)])))
        await asyncio.to_thread(eventually, receiver, account, [("bucket.depleted", None), *SHARES])
        notices = {one["id"] for one in receiver.taken if one["account"] == account}
        assert len(notices) == 3
        told_in_the_log(house, notices, [(1, "failed", "status 503")] * 3 + [(2, "delivered", "")] * 3)
        assert receiver.forged == 0


SHARES = [("bucket.low", "50%"), ("bucket.low", "800000000")]


def test_the_life_of_an_account_is_told(tmp_path: Path, receiver: Receiver) -> None:
    with House(tmp_path, **settings(tmp_path, receiver)) as house:
        wait_until_it_listens(house, receiver)
        account = house.open_account("491704440006", "0")
        lived: list[tuple[object, object, object]] = []

        def lives(terms: dict[str, str | None], *told: tuple[str, object, object]) -> None:
            house.patch(f"/v1/accounts/{account}", terms)
            lived.extend(told)
            eventually_so(lambda: heard(receiver, account), sorted(lived, key=str))

        lives({"status": "suspended"}, ("account.state", "suspended", "-"))
        lives({"status": "active"}, ("account.state", "active", "-"))
        over = ("account.extended", "-", "2020-01-01T00:00:00Z"), ("account.state", "grace", "-")
        lives({"valid_until": "2020-01-01T00:00:00Z", "grace_until": "2090-01-01T00:00:00Z"}, *over)
        lives({"valid_until": None, "grace_until": None}, ("account.extended", "-", None))
        past = {"valid_until": "2020-01-01T00:00:00Z", "grace_until": "2020-02-01T00:00:00Z"}
        lives(past, *over, ("account.state", "closed", "-"))
        notices = {str(one["id"]) for one in receiver.taken if one["account"] == account}
        assert len(notices) == len(lived)
        each = [(1, "failed", "status 503")] * len(lived) + [(2, "delivered", "")] * len(lived)
        told_in_the_log(house, notices, each)
        assert receiver.forged == 0


def heard(receiver: Receiver, account: str) -> list[tuple[object, object, object]]:
    of_it = {str(one["id"]): one for one in receiver.taken if one["account"] == account}.values()
    said = [(one["event"], one.get("state", "-"), one.get("valid_until", "-")) for one in of_it]
    return sorted(said, key=str)


def test_what_was_on_its_way_when_the_daemon_was_killed_arrives(tmp_path: Path, receiver: Receiver) -> None:
    with House(tmp_path, **settings(tmp_path, receiver)) as house:
        wait_until_it_listens(house, receiver)
        receiver.deaf = True
        account = house.open_account("491704440003", "3.00")
        adjust(house, account, "-3.00")
        house.kill()
        receiver.deaf = False
        house.start()
        eventually(receiver, account, ALL)
        assert receiver.forged == 0


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the specification's libraries, with the secret already decoded.

    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
