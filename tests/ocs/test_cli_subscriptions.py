"""``ocs account subscribe`` and what goes with it, against a real daemon whose catalogue has an offer that renews."""

import json
import shutil
from collections.abc import Iterator

import pytest

from charging.catalogue.load import SAMPLE
from tests.house import House, run_ocs

OFFER = '[offers.monthly]\npays = ["data-standard"]\namount = "5 GB"\nrenews = "month"\nprice = "9.99 EUR"\n'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("house")
    folder = directory / "catalogue"
    shutil.copytree(SAMPLE, folder)
    (folder / "monthly.toml").write_text(OFFER)
    with House(directory, OCS_CHARGING__CATALOGUE=str(folder)) as house:
        yield house


def test_a_subscription_from_its_beginning_to_its_end(house: House) -> None:
    run_ocs(house, "account", "create", "sub-1")
    assert "Less than nothing" in run_ocs(house, "account", "subscribe", "sub-1", "monthly", code=4).stderr
    run_ocs(house, "account", "topup", "sub-1", "20.00")
    given = run_ocs(house, "account", "subscribe", "sub-1", "monthly", "--key", "s1")
    assert "monthly for 9.99" in given.stdout
    assert "Idempotency-Key: s1" in given.stderr
    again = json.loads(run_ocs(house, "account", "subscribe", "sub-1", "monthly", "--key", "s1", "--json").stdout)
    assert (again["fee"], again["money"]["available"]) == ("9.99", "10.01")
    shown = run_ocs(house, "account", "subscriptions", "sub-1").stdout
    assert "monthly" in shown
    assert "9.99 EUR" in shown
    (one,) = json.loads(run_ocs(house, "account", "subscriptions", "sub-1", "--json").stdout)["subscriptions"]
    assert (one["state"], one["buckets"]) == ("active", ["monthly#1"])
    ended = run_ocs(house, "account", "unsubscribe", "sub-1", "monthly", "--key", "e1")
    assert "monthly ended" in ended.stdout
    assert run_ocs(house, "account", "unsubscribe", "sub-1", "monthly", "--key", "e1").stdout == ended.stdout
    assert "not subscribed" in run_ocs(house, "account", "unsubscribe", "sub-1", "monthly", code=4).stderr
    causes = [entry["cause"] for entry in house.entries("sub-1")]
    assert causes == ["topup", "subscription", "unsubscribed"]
    assert house.audit()["balanced"]
