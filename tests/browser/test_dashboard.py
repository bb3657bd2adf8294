"""The dashboard in a real browser: what an operator does with it, how it looks on a phone and a desk, day and night.

``OCS_SCREENSHOTS=directory`` keeps the pictures.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from tests.browser.webdriver import Browser
from tests.gateway import CLOSE, OPEN, UPDATE, Gateway, ccr, octets, service, subscriber
from tests.house import House
from tests.sip_caller import Caller

pytestmark = pytest.mark.needs("chromium", "chromedriver")

NUMBER = "491712340001"
ACCOUNT = f"a{NUMBER}"
WINDOWS = {"phone": (390, 844), "wide": (1440, 900)}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {
        "OCS_HTTP__REFRESH": "0.5",
        "OCS_SIP_CREDIT__TRUNK_GROUPS": '[{name = "wholesale", channels = 30}]',
        "OCS_SIP_CREDIT__PEERS": '[{name = "pbx", trunk_group = "wholesale"}]',
    }
    with House(tmp_path_factory.mktemp("house"), **settings) as house:
        house.open_account(NUMBER, "10.00", sip=f"u{NUMBER}@example.net")
        house.post(f"/v1/accounts/{ACCOUNT}/buckets", {"offer": "data-1gb"})
        yield house


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def page(house: House, browser: Browser) -> Iterator[Browser]:
    """The dashboard, freshly opened; its console must stay silent."""
    browser.open("about:blank")
    browser.complaints()
    browser.dress(*WINDOWS["wide"], "light")
    browser.open(f"http://127.0.0.1:{house.ports['http']}/")
    browser.wait("the dashboard", lambda: browser.text("#state") == "ready")
    yield browser
    assert browser.complaints() == []


async def met(browser: Browser, what: str, condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(browser.wait, what, condition)


def search(page: Browser, who: str) -> None:
    page.type("#who", who)
    page.click("#search button")
    try:
        page.wait("the account", lambda: ACCOUNT in page.text("#account-head"))
    except AssertionError:
        raise AssertionError((page.text("#account"), page.text("#state"), page.complaints())) from None


@pytest.mark.parametrize("who", [NUMBER, f"+{NUMBER}", f"u{NUMBER}@example.net", ACCOUNT])
def test_a_subscriber_is_found_by_whatever_they_are_known(page: Browser, who: str) -> None:
    search(page, who)
    assert "data-1gb" in page.text("#account-buckets")


def test_a_search_for_nobody_says_so(page: Browser) -> None:
    page.type("#who", "499999")
    page.click("#search button")
    page.wait("the answer", lambda: "Nobody is known" in page.text("#account"))
    assert len([one for one in page.complaints() if "404" in one]) >= 1  # the browser's own line about the answer


def test_a_top_up(house: House, page: Browser) -> None:
    search(page, NUMBER)
    before = house.money(ACCOUNT)["balance"]
    page.type("form[aria-label='Top up'] [name=amount]", "2.50")
    page.type("form[aria-label='Top up'] [name=reference]", "till 7")
    page.click("form[aria-label='Top up'] button")
    page.wait("the top-up", lambda: "Topped up by 2.50 EUR." in page.text("#done"))
    assert house.money(ACCOUNT)["balance"] - before == 2_500_000
    page.wait("the entry", lambda: "2.50" in page.text("#entries"))


async def test_a_session_is_watched_as_it_moves_and_then_aborted(house: House, page: Browser) -> None:
    search(page, NUMBER)
    async with Gateway("127.0.0.1", house.ports["diameter"]) as gateway:
        who = subscriber(NUMBER)
        await gateway.ask(ccr("gw;watched", OPEN, 0, who, service(10, wanted=())))
        await met(page, "the session", lambda: "gw;watched" in page.text("#account-sessions"))
        for turn, used in ((1, 10_000_000), (2, 5_000_000)):
            usage = service(10, wanted=(), used=[octets(used)])
            await gateway.ask(ccr("gw;watched", UPDATE, turn, who, usage))
            total = "10 MB" if turn == 1 else "15 MB"
            await met(page, total, lambda total=total: f"used {total}" in page.text("#account-sessions"))
        assert "Usage reported over diameter" in page.text("#requests")
        page.click("[aria-label='Abort session gw;watched']")
        abort = await gateway.asked()
        gateway.reply(abort, 2001)
        await met(page, "the abort", lambda: "Session gw;watched is" in page.text("#done"))
        await gateway.ask(ccr("gw;watched", CLOSE, 3, who, service(10, used=[octets(1)])))
        await met(page, "the end", lambda: "None open." in page.text("#account-sessions"))


def test_a_price(page: Browser) -> None:
    page.run("document.getElementById('price-kind').value = 'voice';"
             "document.getElementById('price-kind').dispatchEvent(new Event('change'))")  # fmt: skip
    page.type("#price-units", "60")
    page.type("#price-called", "+493012345678")
    page.click("#price button")
    page.wait("the price", lambda: "0.06 EUR" in page.text("#price-answer"))
    assert "ok" in page.text("#price-answer")


@pytest.fixture(scope="module")
def traffic(house: House) -> None:
    """Something to look at: granted, refused, turned away."""
    asyncio.run(something_happens(house))


async def something_happens(house: House) -> None:
    async with Gateway("127.0.0.1", house.ports["diameter"], "gw.example.net") as gateway:
        await gateway.ask(ccr("gw;shown", OPEN, 0, subscriber(NUMBER), service(10, wanted=())))
        await gateway.ask(ccr("gw;nobody", OPEN, 0, subscriber("499999999999"), service(10, wanted=())))
    async with Caller(house.ports["sip"]) as caller:
        await caller.invite(f"u{NUMBER}@example.net", "+493012345678", "shown")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", WINDOWS)
def test_it_fits_and_can_be_read(house: House, page: Browser, traffic: None, window: str, theme: str) -> None:
    page.dress(*WINDOWS[window], theme)
    search(page, NUMBER)
    page.wait("the peers", lambda: "pbx" in page.text("#peers"))
    page.wait("the channels", lambda: "wholesale" in page.text("#trunks"))
    if kept := os.environ.get("OCS_SCREENSHOTS"):
        page.picture(Path(kept) / f"dashboard-{window}-{theme}.png")
    wide = page.run("return document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "the page scrolls sideways"
    dark = page.run("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark is (theme == "dark")
    page.run((files("axe_core_python") / "axe.min.js").read_text())
    found = page.run_async("axe.run().then(arguments[0])")
    faults = {
        one["id"]: [node["target"] for node in one["nodes"]]
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    }
    assert faults == {}
