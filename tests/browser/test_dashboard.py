"""The dashboard in a real browser: what an operator does with it, how it looks on a phone and a desk, day and night.

``OCS_SCREENSHOTS=directory`` keeps the pictures.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from charging.catalogue.load import SAMPLE
from ocs.http.auth import Role, new_token
from tests.browser.webdriver import ENTER, ESCAPE, Browser
from tests.gateway import CLOSE, OPEN, UPDATE, Gateway, ccr, octets, service, subscriber
from tests.house import House
from tests.sip_caller import Caller

pytestmark = pytest.mark.needs("chromium", "chromedriver")

NUMBER = "491712340001"
ACCOUNT = f"a{NUMBER}"
OTHER = "491712340002"
OLD = "491712340003"
RENEWING = '[offers.picture-pass]\npays = ["mms"]\namount = "20"\nrenews = "month"\nprice = "0.50 EUR"\n'
WINDOWS = {"phone": (390, 844), "wide": (1440, 900)}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("house")
    secret = directory / "voucher-secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    shutil.copytree(SAMPLE, directory / "catalogue")
    (directory / "catalogue" / "picture-pass.toml").write_text(RENEWING)
    settings = {
        "OCS_CHARGING__CATALOGUE": str(directory / "catalogue"),
        "OCS_HTTP__REFRESH": "0.5",
        "OCS_VOUCHERS__SECRET_FILE": str(secret),
        "OCS_SIP_CREDIT__TRUNK_GROUPS": '[{name = "wholesale", channels = 30}]',
        "OCS_SIP_CREDIT__PEERS": '[{name = "pbx", trunk_group = "wholesale"}]',
    }
    with House(directory, **settings) as house:
        house.open_account(NUMBER, "10.00", sip=f"u{NUMBER}@example.net")
        house.open_account(OTHER, "0.40")
        house.open_account(OLD, "1.00")
        house.post(f"/v1/accounts/{ACCOUNT}/buckets", {"offer": "data-1gb"})
        house.post(f"/v1/accounts/{ACCOUNT}/subscriptions", {"offer": "picture-pass"})
        yield house


TOKENS = {role: new_token(role, f"the-{role.name.lower()}er") for role in Role}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One that asks for tokens."""
    directory = tmp_path_factory.mktemp("guarded")
    tokens = directory / "tokens"
    tokens.write_text("\n".join(line for _, line in TOKENS.values()))
    with House(directory, OCS_HTTP__AUTH="tokens", OCS_HTTP__TOKENS=str(tokens)) as house:
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


def search(page: Browser, who: str, account: str = ACCOUNT) -> None:
    page.type("#who", who)
    page.click("#search button")
    try:
        page.wait("the account", lambda: account in page.text("#account-head"))
    except AssertionError:
        raise AssertionError((page.text("#account"), page.text("#state"), page.complaints())) from None


def act(page: Browser, title: str, says: str, **fields: str) -> None:
    """Fill in the form of an action, send it, and wait for what is said beside it."""
    button, form = f"//button[@type='button'][.='{title}']", f"form[aria-label='{title}']"
    busy = f"{form}[aria-busy=true]"
    shut = page.run(f"return document.querySelector({form!r}).hidden")
    if shut:
        page.run("document.evaluate(arguments[0], document, null, 9).singleNodeValue.click()", button)
    for name, text in fields.items():
        page.type(f"{form} [name={name}]", text)
    page.wait("an end of double clicks", lambda: not page.run(f"return document.querySelector({busy!r})"))
    page.click(f"{form} button")
    page.wait(repr(says), lambda: says in page.text(f"{form} .said"))


@pytest.mark.parametrize("who", [NUMBER, f"+{NUMBER}", f"u{NUMBER}@example.net", ACCOUNT])
def test_a_subscriber_is_found_by_whatever_they_are_known(page: Browser, who: str) -> None:
    search(page, who)
    assert "data-1gb" in page.text("#account-buckets")
    shown = page.text("#account-subscriptions")
    assert all(word in shown for word in ("picture-pass", "active", "0.50 EUR"))


def test_a_search_for_nobody_says_so(page: Browser) -> None:
    page.type("#who", "499999")
    page.click("#search button")
    page.wait("the answer", lambda: "Nobody is known" in page.text("#account"))
    assert len([one for one in page.complaints() if "404" in one]) >= 1  # the browser's own line about the answer


def test_a_top_up(house: House, page: Browser) -> None:
    search(page, NUMBER)
    before = house.money(ACCOUNT)["balance"]
    act(page, "Top up", "Topped up by 2.50 EUR.", amount="2.50", reference="till 7")
    assert house.money(ACCOUNT)["balance"] - before == 2_500_000
    page.wait("the entry", lambda: "2.50" in page.text("#entries"))


def test_a_voucher(house: House, page: Browser) -> None:
    made = house.post("/v1/vouchers", {"id": "spring", "count": 1, "amount": "5.00", "currency": "EUR"})
    house.patch("/v1/vouchers/spring", {"state": "active"})
    (code,) = made["codes"]
    search(page, NUMBER)
    before = house.money(ACCOUNT)["balance"]
    act(page, "Redeem voucher", "This is no code: was a digit mistyped?", code="1234")
    act(page, "Redeem voucher", "Redeemed: 5.00 EUR.", code=code)
    assert house.money(ACCOUNT)["balance"] - before == 5_000_000
    act(page, "Redeem voucher", "The voucher has been used.", code=code)
    assert len(page.complaints()) == 2  # the browser's own lines about the two refusals


def test_a_loan_is_taken_and_a_top_up_repays_it(house: House, page: Browser) -> None:
    search(page, OTHER, f"a{OTHER}")
    note = "2.00 EUR for a fee of 0.20 EUR, while less than 0.50 EUR is available."
    act(page, "Take loan", "Lent: 2.40 EUR are available now.")
    assert note in page.text("form[aria-label='Take loan']")
    page.wait("the debt", lambda: "2.20 EUR" in page.text("#account-figures"))
    act(page, "Take loan", "A loan is still to be repaid.")
    act(page, "Top up", "Topped up by 3.00 EUR. 2.20 EUR of it repaid the loan.", amount="3.00")
    page.wait("no debt", lambda: "repay" not in page.text("#account-figures"))
    act(page, "Take loan", "Enough money is left: a loan is for when it runs out.")
    assert len(page.complaints()) == 2


def test_a_transfer_to_whoever_is_known_by_a_number(house: House, page: Browser) -> None:
    search(page, NUMBER)
    before = house.money(f"a{OTHER}")["balance"]
    act(page, "Transfer", "Nobody sends money to oneself.", to=NUMBER, amount="1.00")
    faulty = "document.querySelector('form[aria-label=Transfer] [aria-invalid]')"
    assert page.run(f"return document.activeElement === {faulty} && {faulty}.name") == "to"
    act(page, "Transfer", "A transfer is at most 20.00.", to=f"+{OTHER}", amount="20.01")
    assert page.run(f"return {faulty}.name") == "amount"
    act(page, "Transfer", f"Sent 1.25 EUR to a{OTHER} for a fee of 0.10 EUR.", to=f"+{OTHER}", amount="1.25")
    assert not page.run(f"return {faulty}")
    assert house.money(f"a{OTHER}")["balance"] - before == 1_250_000
    assert len(page.complaints()) == 2


def test_an_adjustment_takes_money_too(house: House, page: Browser) -> None:
    search(page, NUMBER)
    before = house.money(ACCOUNT)["balance"]
    act(page, "Adjust", "There is not enough money for it.", amount="-1000", reason="a slip of the hand")
    act(page, "Adjust", "Adjusted by -0.75 EUR.", amount="-0.75", reason="goodwill taken back")
    assert len(page.complaints()) == 1
    assert before - house.money(ACCOUNT)["balance"] == 750_000


def test_an_account_in_grace_is_seen_extended_and_suspended(house: House, page: Browser) -> None:
    account = f"a{OLD}"
    over = {"status": "grace", "valid_until": "2026-03-01T12:00:00Z", "grace_until": "2090-02-01T12:00:00Z"}
    house.patch(f"/v1/accounts/{account}", over)
    search(page, OLD, account)
    page.wait("the state", lambda: page.text("#account-head .badge.warn") == "grace")
    shown = page.text("#account-head")
    assert "valid until 1 Mar 2026" in shown
    assert "closed after 1 Feb 2090" in shown
    assert chosen(page, "status") == "grace"
    assert chosen(page, "valid_until").startswith("2026-03-01T")
    choose(page, valid_until="2090-01-01T12:00", grace_until="2089-01-01T12:00")
    act(page, "Change validity", "Grace ends after the validity")
    assert page.run("return document.querySelector('[aria-invalid]').name") == "grace_until"
    choose(page, grace_until="")
    act(page, "Change validity", "The account is active, valid until 1 Jan 2090, 12:00, never closed.")
    page.wait("the state", lambda: page.text("#account-head .badge.ok") == "active")
    choose(page, status="suspended")
    act(page, "Change state", "The account is suspended: it gets nothing.")
    page.wait("the state", lambda: page.text("#account-head .badge.warn") == "suspended")
    assert chosen(page, "status") == "suspended"
    now = page.run("return new Date('2090-01-01T12:00').toISOString()")
    found = house.get(f"/v1/accounts/{account}")
    assert (found["status"], found["valid_until"], found["grace_until"]) == ("suspended", now, None)
    assert len(page.complaints()) == 1  # the browser's own line about the refusal


def chosen(page: Browser, name: str) -> str:
    return str(page.run(f"return document.querySelector('.forms [name={name}]').value"))


def choose(page: Browser, **fields: str) -> None:
    """As a picker does, which looks different in every browser."""
    for name, text in fields.items():
        page.run(
            f"const field = document.querySelector('.forms [name={name}]'); field.value = arguments[0];"
            "field.dispatchEvent(new Event('input', { bubbles: true }))",
            text,
        )


def test_a_double_click_gives_one_bundle(house: House, page: Browser) -> None:
    search(page, OTHER, f"a{OTHER}")
    page.run("document.querySelector('form[aria-label=\"Give bundle\"]').hidden = false")
    page.run("const give = document.querySelector('form[aria-label=\"Give bundle\"] button'); give.click();"
             "setTimeout(() => give.click(), 200)")  # fmt: skip
    page.run_async("setTimeout(arguments[0], 600)")
    assert len(house.get(f"/v1/accounts/a{OTHER}")["buckets"]) == 1


def test_what_is_not_known_to_be_done_is_done_once(house: House, page: Browser) -> None:
    search(page, NUMBER)
    before = house.money(ACCOUNT)["balance"]
    page.run("""
        const real = window.fetch;
        window.fetch = async (path, given) => {
          const answer = await real(path, given);
          if (given?.method !== "POST") return answer;
          window.fetch = real;
          throw new TypeError("the answer was lost");
        };""")
    act(page, "Top up", "Press the button again: it is done once", amount="4.00")
    page.click("form[aria-label='Top up'] button")
    page.wait("the answer", lambda: "Topped up by 4.00 EUR." in page.text("form[aria-label='Top up'] .said"))
    assert house.money(ACCOUNT)["balance"] - before == 4_000_000


def test_the_keyboard_alone_will_do(page: Browser) -> None:
    search(page, NUMBER)
    page.run("document.querySelector('[aria-controls][aria-expanded=false]').focus()")
    page.press(ENTER)
    assert page.run("return document.activeElement.name") == "code"
    page.press(ESCAPE)
    assert page.run("return document.activeElement.innerText") == "Redeem voucher"
    assert page.run("return document.querySelectorAll('.forms form:not([hidden])').length") == 0


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.READ, []),
        (
            Role.OPERATE,
            ["Top up", "Redeem voucher", "Take loan", "Transfer", "Give bundle", "Change state", "Change validity"],
        ),
    ],
)
def test_a_token_may_do_what_its_role_allows(guarded: House, browser: Browser, role: Role, may: list[str]) -> None:
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{guarded.ports['http']}/")
    browser.run("sessionStorage.clear(); location.reload()")
    browser.wait("the question", lambda: browser.text("#state") == "token wanted")
    browser.type("#token", TOKENS[role][0])
    browser.click("#login button")
    browser.wait("the role", lambda: role.name.lower() in browser.text("#role"))
    search(browser, "alice", "alice")
    assert browser.run("return [...document.querySelectorAll('.actions button')].map((one) => one.innerText)") == may
    assert ("Your token may look and not change." in browser.text(".forms")) is (not may)
    browser.complaints()


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
    act(page, "Transfer", "A transfer is at most 20.00.", to=OTHER, amount="20.01")
    assert len(page.complaints()) == 1
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
