"""What one worker keeps in mind is bounded, and what is asked for is not forgotten."""

from charging.subscribers import Recent


def test_the_last_ones_are_kept_and_never_twice_as_many() -> None:
    recent: Recent[int, str] = Recent(10)
    for number in range(1000):
        recent.put(number, str(number))
        assert all(recent._young.get(last) or recent._old.get(last) for last in range(max(0, number - 9), number + 1))
        assert len(recent) <= 20
    assert recent.get(0) is None


def test_what_is_asked_for_again_and_again_stays() -> None:
    recent: Recent[int, str] = Recent(10)
    recent.put(-1, "kept")
    for number in range(1000):
        recent.put(number, str(number))
        if number % 5 == 0:
            assert recent.get(-1) == "kept"


def test_what_is_dropped_or_put_anew_is_so_in_either_generation() -> None:
    recent: Recent[int, str] = Recent(2)
    for number in range(3):
        recent.put(number, "first")
    recent.put(0, "second")
    assert (recent.get(0), recent.get(1), len(recent)) == ("second", "first", 3)
    for number in range(3):
        recent.drop(number)
        assert recent.get(number) is None
    assert not len(recent)
