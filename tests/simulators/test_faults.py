import pytest

from simulators.faults import Fault, FaultyLink
from simulators.settings import Settings, parse_share


def drawn(settings: Settings, name: str = "link", count: int = 20_000) -> list[Fault]:
    link = FaultyLink(settings, name)
    return [link.draw().fault for _ in range(count)]


def test_without_shares_nothing_is_harmed():
    assert set(drawn(Settings(), count=1000)) == {Fault.NONE}


def test_faults_strike_in_their_shares_and_are_counted():
    settings = Settings(duplicate=0.05, drop=0.1, delay=0.02, reorder=0.03, cut=0.01)
    link = FaultyLink(settings, "link")
    found = [link.draw().fault for _ in range(20_000)]
    for fault in (Fault.DUPLICATE, Fault.DROP, Fault.DELAY, Fault.REORDER, Fault.CUT):
        assert found.count(fault) / 20_000 == pytest.approx(getattr(settings, fault.value), rel=0.2)
        assert link.injected[fault] == found.count(fault)


def test_the_seed_and_the_name_of_the_link_decide():
    settings = Settings(drop=0.3, seed=4)
    assert drawn(settings, count=200) == drawn(settings, count=200)
    assert drawn(settings, count=200) != drawn(Settings(drop=0.3, seed=5), count=200)
    assert drawn(settings, count=200) != drawn(settings, "other", count=200)


def test_what_is_late_is_late_by_no_more_than_said():
    link = FaultyLink(Settings(delay=1.0, delay_seconds=0.3), "link")
    late = [link.draw().after for _ in range(500)]
    assert min(late) >= 0
    assert 0.2 < max(late) <= 0.3


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.1%", 0.001), ("0.25", 0.25), ("100%", 1.0)])
def test_shares_are_read(text: str, share: float):
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["101%", "-1%", "x", "", "2"])
def test_what_is_no_share_is_refused(text: str):
    with pytest.raises(ValueError):  # noqa: PT011 - float's own message will do
        parse_share(text)


@pytest.mark.parametrize("wrong", [{"drop": 1.5}, {"rate": 0}, {"speed": -1.0}, {"attempts": 0}])
def test_settings_no_run_can_be_made_of_are_refused(wrong: dict):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
