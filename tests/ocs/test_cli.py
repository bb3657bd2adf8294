"""The command line against a real daemon: data on standard output, talk on standard error, exit codes."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from tests.gateway import OPEN, Gateway, ccr, service, subscriber
from tests.house import House, run_ocs


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    directory = tmp_path_factory.mktemp("house")
    secret = directory / "voucher-secret"
    secret.write_text("known to nobody else\n")
    with House(directory, OCS_VOUCHERS__SECRET_FILE=str(secret)) as house:
        yield house


@pytest.fixture
def ocs(house):
    def run(*arguments, code=0, **environment):
        return run_ocs(house, *arguments, code=code, **environment)

    return run


def test_an_account_from_opening_to_suspension(ocs):
    made = ocs("account", "create", "cli-1", "--identity", "e164:+491702220001", "--identity", "sip:c@d", "--json")
    assert json.loads(made.stdout)["identities"] == [
        {"type": "e164", "value": "491702220001"},
        {"type": "sip", "value": "c@d"},
    ]
    first = ocs("account", "topup", "cli-1", "10.00", "--key", "k1", "--json")
    assert "Idempotency-Key: k1" in first.stderr
    assert json.loads(ocs("account", "topup", "cli-1", "10.00", "--key", "k1", "--json").stdout) == json.loads(
        first.stdout
    )
    ocs("account", "adjust", "cli-1", "-1.50", "--reason", "a mistake")
    shown = json.loads(ocs("account", "show", "e164:491702220001", "--json").stdout)
    assert shown["money"]["balance"] == "8.50"
    given = ocs("account", "give", "cli-1", "data-1gb", "--key", "g1", "--json")
    assert json.loads(given.stdout)["bucket"]["offer"] == "data-1gb"
    assert "data-1gb" in ocs("account", "give", "cli-1", "data-1gb", "--key", "g1").stdout
    for_people = ocs("account", "show", "cli-1").stdout
    assert "8.50 EUR" in for_people
    assert for_people.count("data-1gb") == 1, "the key has been used"
    assert json.loads(ocs("account", "suspend", "cli-1", "--json").stdout)["status"] == "suspended"
    assert "cli-1" in ocs("account", "list").stdout
    page = json.loads(ocs("account", "list", "--after", "bob", "--limit", "1", "--json").stdout)
    assert [one["id"] for one in page["accounts"]] == ["cli-1"]


def test_how_long_an_account_lives(ocs):
    ocs("account", "create", "cli-life")
    assert "valid until" not in ocs("account", "show", "cli-life").stdout
    ends = ("--until", "2090-01-01T00:00:00Z", "--grace", "2090-02-01T00:00:00Z")
    extended = json.loads(ocs("account", "extend", "cli-life", *ends, "--json").stdout)
    assert (extended["status"], extended["valid_until"], extended["grace_until"]) == (
        "active", "2090-01-01T00:00:00.000Z", "2090-02-01T00:00:00.000Z",
    )  # fmt: skip
    shown = ocs("account", "show", "cli-life").stdout
    assert "valid until" in shown
    assert "2090-01-01T00:00:00.000Z" in shown
    assert "grace until" in shown
    assert "2090-02-01T00:00:00.000Z" in shown
    suspended = ocs("account", "suspend", "cli-life", "--status", "grace", "--json").stdout
    assert json.loads(suspended)["status"] == "grace"
    for_ever = json.loads(ocs("account", "extend", "cli-life", "--until", "never", "--json").stdout)
    assert (for_ever["status"], for_ever["valid_until"], for_ever["grace_until"]) == ("active", None, None)
    assert "with its offset" in ocs("account", "extend", "cli-life", "--until", "tomorrow", code=4).stderr
    assert "Grace ends after" in ocs("account", "extend", "cli-life", "--until", "never", *ends[2:], code=4).stderr
    assert "frozen" in ocs("account", "suspend", "cli-life", "--status", "frozen", code=2).stderr
    assert "--until" in ocs("account", "extend", "cli-life", code=2).stderr


def test_a_loan_and_a_transfer(ocs):
    for name in ("cli-lender", "cli-friend"):
        ocs("account", "create", name)
    assert "2.00" in ocs("account", "loan", "cli-lender").stdout
    assert "available 2.00" in ocs("account", "loan", "cli-lender", "--take").stdout
    assert json.loads(ocs("account", "loan", "cli-lender", "--json").stdout)["loan"]["outstanding"] == "2.20"
    assert "loan" in ocs("account", "transfer", "cli-lender", "cli-friend", "1.00", code=4).stderr
    ocs("account", "topup", "cli-lender", "5.00")
    sent = json.loads(ocs("account", "transfer", "cli-lender", "cli-friend", "1.00", "--key", "t1", "--json").stdout)
    assert (sent["to"], sent["fee"], sent["money"]["balance"]) == ("cli-friend", "0.10", "3.70")
    assert "1.00 to cli-friend" in ocs("account", "transfer", "cli-lender", "cli-friend", "1.00", "--key", "t1").stdout
    assert json.loads(ocs("account", "show", "cli-friend", "--json").stdout)["money"]["balance"] == "1.00"


def test_what_an_account_s_money_went_into(ocs):
    ocs("account", "create", "cli-entries")
    for amount in ("1.00", "2.00"):
        ocs("account", "topup", "cli-entries", amount)
    shown = ocs("account", "entries", "cli-entries").stdout
    assert "credited 1.00 EUR" in shown
    assert "credited 2.00 EUR" in shown
    first = ocs("account", "entries", "cli-entries", "--limit", "1")
    assert "credited 2.00" not in first.stdout
    after = first.stderr.rpartition(" ")[2].strip()
    [second] = json.loads(ocs("account", "entries", "cli-entries", "--after", after, "--json").stdout)["entries"]
    assert second["cause"] == "topup"
    assert "nobody" in ocs("account", "entries", "nobody", code=4).stderr


def test_alerts_where_nobody_is_told(ocs):
    ocs("account", "create", "cli-alerts")
    refused = ocs("account", "alerts", "cli-alerts", "--threshold", "2.00", code=4)
    assert "webhooks.url" in refused.stderr


def test_vouchers(ocs, house, tmp_path):
    file = tmp_path / "codes"
    made = ocs("voucher", "generate", "cli", "--count", "2", "--amount", "5.00", "--export", str(file), "--json")
    assert json.loads(made.stdout)["state"] == "created"
    assert file.stat().st_mode & 0o777 == 0o600
    codes = file.read_text().splitlines()
    assert len(set(codes)) == 2
    assert "File exists" in ocs("voucher", "generate", "more", "--amount", "1", "--export", str(file), code=2).stderr
    ocs("account", "create", "cli-voucher")
    assert "not active" in ocs("voucher", "redeem", "cli-voucher", codes[0], code=4).stderr
    assert "active" in ocs("voucher", "activate", "cli").stdout
    assert "5.00" in ocs("voucher", "redeem", "cli-voucher", codes[0]).stdout
    assert "used" in ocs("voucher", "redeem", "cli-voucher", codes[0], code=4).stderr
    assert "blocked" in ocs("voucher", "block", "cli").stdout
    assert "blocked" in ocs("voucher", "redeem", "cli-voucher", codes[1], code=4).stderr
    listed = json.loads(ocs("voucher", "list", "--json").stdout)["batches"]
    assert [(one["id"], one["issued"], one["redeemed"]) for one in listed] == [("cli", 2, 1)]
    assert json.loads(ocs("voucher", "show", "cli", "--json").stdout) == listed[0]
    assert 'ocs_vouchers_total{result="redeemed"} 1.0' in house._api.get("/metrics").text


def test_the_daemon_s_refusal_is_said_and_is_exit_4(ocs):
    assert "error: " in ocs("account", "show", "nobody", code=4).stderr
    assert "nobody" in ocs("account", "topup", "nobody", "1", code=4).stderr
    assert ocs("account", "create", "alice", code=4).stdout == ""
    assert ocs("account", "create", "x", "--plan", "none-such", code=4).stderr.count("none-such") == 1
    assert ocs("session", "show", "no/such;session", code=4).stdout == ""


def test_what_makes_no_sense_is_exit_2(ocs):
    assert "TYPE:VALUE" in ocs("account", "create", "x", "--identity", "491702220001", code=2).stderr
    ocs("account", "fly", code=2)


def test_no_daemon_is_exit_3(ocs, tmp_path):
    assert "no daemon runs on" in ocs("--directory", str(tmp_path), "audit", code=3).stderr
    assert "127.0.0.1:1" in ocs("--url", "http://127.0.0.1:1", "audit", code=3).stderr


def test_audit_says_whether_the_books_balance(ocs, house):
    assert "books balanced: yes" in ocs("audit").stdout
    assert json.loads(ocs("audit", "--json").stdout) == house.audit()


def test_audit_of_books_that_do_not_balance_is_exit_1(ocs, house):
    from redis import Redis

    store = Redis(unix_socket_path=str(house.directory / "var" / "store" / "valkey.sock"))
    shard = house.get("/v1/accounts/alice/entries")["entries"][0]
    key = next(key for key in store.scan_iter("house:*") if store.hget(key, "EUR:credited"))
    store.hincrby(key, "EUR:credited", 1)
    try:
        assert "books balanced: NO" in ocs("audit", code=1).stdout
        assert json.loads(ocs("audit", "--json", code=1).stdout)["findings"]
    finally:
        store.hincrby(key, "EUR:credited", -1)
    assert shard["cause"] == "topup"
    ocs("audit")


def test_audit_replay_compares_the_store_with_the_journal(ocs, house):
    from redis import Redis

    house.open_account("491702220009", "2.00")
    assert "journal and store agree: yes" in ocs("audit", "--replay").stdout
    told = json.loads(ocs("audit", "--replay", "--json").stdout)
    assert told["balanced"] is True
    assert told["entries"] >= told["accounts"] > 0
    store = Redis(unix_socket_path=str(house.directory / "var" / "store" / "valkey.sock"))
    key = next(key for key in store.scan_iter("house:*") if store.hget(key, "EUR:credited"))
    store.hincrby(key, "EUR:credited", 1)
    try:
        assert "the store has" in ocs("audit", "--replay", code=1).stdout
    finally:
        store.hincrby(key, "EUR:credited", -1)


def test_audit_replay_without_a_store_is_exit_3(ocs, tmp_path):
    assert "valkey.sock" in ocs("--directory", str(tmp_path), "audit", "--replay", code=3).stderr


def test_sessions_and_peers(ocs):
    assert json.loads(ocs("session", "list", "--json").stdout) == {"sessions": []}
    peers = json.loads(ocs("peer", "list", "--json").stdout)["peers"]
    assert {peer["door"] for peer in peers} == {"sip"}


def test_price_with_the_reasons(ocs):
    priced = json.loads(ocs("price", "sms", "--account", "bob", "--json").stdout)
    assert (priced["result"], priced["price"]) == ("ok", "0.09")
    assert "0.06 EUR" in ocs("price", "voice", "--to", "491701234567", "--units", "60").stdout


def test_catalogue(ocs, tmp_path):
    assert "good" in ocs("catalogue", "check").stdout
    assert "data-1gb" in ocs("catalogue", "show").stdout
    bad = tmp_path / "bad.toml"
    bad.write_text("[plans.p]\ncurrency = 1\n")
    assert "bad.toml:2" in ocs("catalogue", "check", str(bad), code=1).stderr


def test_check_config(ocs, tmp_path):
    assert ocs("check-config", "--config", "config.toml").stdout == "good\n"
    assert json.loads(ocs("check-config", "--config", "config.toml", "--json").stdout)["diameter"]["port"] == 3868
    bad = tmp_path / "bad.toml"
    bad.write_text('[http]\nauth = "off"\nhost = "0.0.0.0"\n')
    assert "bad.toml:2: [http]" in ocs("check-config", "--config", str(bad), code=1).stderr


def test_check_config_can_ask_the_store(ocs, house):
    url = f"unix://{house.directory}/var/store/valkey.sock"
    ocs("check-config", "--probe", OCS_BALANCES__URL=url)
    gone = ocs("check-config", "--probe", code=1, OCS_BALANCES__URL="unix:///no/where")
    assert "unix:///no/where" in gone.stderr


def test_simulations_find_the_daemon_and_take_their_defaults_from_the_configuration(ocs):
    sms_only = ("simulate", "mno", "--mix", "0", "0", "1", "--json", "--quiet")
    result = json.loads(ocs(*sms_only, OCS_SIMULATORS__RATE="5", OCS_SIMULATORS__DURATION="1").stdout)
    assert result["finished"] is True
    assert 0 < result["started"] <= 20
    assert ocs(*sms_only, code=1, OCS_SIMULATORS__RATE="0").stderr.count("rate must be above zero") == 1


async def open_a_data_session(house, e164):
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        await gateway.ask(ccr("pgw;trace;1", OPEN, 0, subscriber(e164), service(10, wanted=())))


def test_a_trace_follows_a_subscriber_live(house, ocs):
    house.open_account("491702229999", "5.00")
    command = [sys.executable, "-m", "ocs", "trace", "e164:491702229999", "--count", "1", "--json"]
    environment = {**os.environ, "OCS_DAEMON__DIRECTORY": str(house.directory / "var")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as tracing:
        assert tracing.stderr.readline().startswith("following a491702229999: e164:491702229999")
        asyncio.run(open_a_data_session(house, "491702229999"))
        told = json.loads(tracing.stdout.readline())
        assert (told["door"], told["phase"], told["account"]) == ("diameter", "open", "a491702229999")
        assert tracing.wait(20) == 0
    shown = json.loads(ocs("session", "show", told["session"], "--json").stdout)
    assert [entry["cause"] for entry in shown["entries"]] == ["open"]
    for_people = ocs("session", "show", told["session"]).stdout
    assert "time line" in for_people
    assert "Session opened over diameter" in for_people


def test_a_trace_of_nobody_is_refused(ocs):
    assert "nobody" in ocs("trace", "nobody", code=4).stderr


def test_the_benchmark_is_at_hand(ocs):
    assert "--profiles" in ocs("bench", "--help").stdout
