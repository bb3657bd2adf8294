"""Octets that wait: in their order, in portions, with the moment of their arrival."""

from hypothesis import given
from hypothesis import strategies as st

from ocs.intake import Intake


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_all_comes_out_in_order_with_its_arrival(parts: list[bytes], most: int):
    intake = Intake()
    for moment, part in enumerate(parts):
        intake.put(part, float(moment))
    assert intake.size == sum(map(len, parts))
    found = [b""] * len(parts)
    while intake:
        arrived, taken = intake.take(most)
        assert 0 < len(taken) <= most
        found[int(arrived)] += taken
    assert found == parts
    assert intake.size == 0


def test_cleared_it_is_as_new():
    intake = Intake()
    intake.put(b"abc", 1.0)
    intake.take(2)
    intake.clear()
    assert not intake
    intake.put(b"xyz", 2.0)
    assert intake.take(9) == (2.0, b"xyz")
