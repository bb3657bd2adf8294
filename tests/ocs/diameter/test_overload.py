"""Overload indication, RFC 7683: pure numbers, and what clients read."""

import pytest

from ocs.diameter import avps
from ocs.diameter.codec import encode_message
from ocs.diameter.message import Message
from ocs.diameter.overload import Overload, reduction, understands

pytestmark = pytest.mark.rfc("7683", "5")

BEGIN = 1_700_000_000_000


def read(overload: Overload) -> tuple[int, int, int] | None:
    """Sequence, percent and validity of the report an answer carries now."""
    message = Message(encode_message(0x40, 272, 4, 1, 1, overload.parts))
    assert message.require(avps.OC_SUPPORTED_FEATURES).get(avps.OC_FEATURE_VECTOR) == 1
    report = message.get(avps.OC_OLR)
    if report is None:
        return None
    assert report.get(avps.OC_REPORT_TYPE) == 0
    return (
        report.require(avps.OC_SEQUENCE_NUMBER),
        report.require(avps.OC_REDUCTION_PERCENTAGE),
        report.require(avps.OC_VALIDITY_DURATION),
    )


@pytest.mark.parametrize(
    ("load", "percent"),
    [(0, 0), (0.699, 0), (0.7, 10), (0.75, 20), (0.85, 50), (0.9, 70), (0.999, 90), (1, 90), (7, 90)],
)
def test_reduction_by_load(load, percent):
    assert reduction(load, 0.7) == percent


@pytest.mark.parametrize(("load", "percent"), [(0.99, 0), (1.0, 90)])
def test_onset_at_the_limit(load, percent):
    assert reduction(load, 1.0) == percent


@pytest.fixture
def overload() -> Overload:
    return Overload(0.7, 30, BEGIN, now=5)


def test_nothing_is_said_while_all_is_well(overload):
    overload.observe(0.5, 6)
    assert read(overload) is None


def test_reduction_rises_at_once_and_falls_by_steps(overload):
    said = []
    for now, load in ((6, 0.75), (6.001, 0.9), (6.5, 0.1), (7.1, 0.1), (7.2, 0.1), (8.1, 0.1)):
        overload.observe(load, now)
        said.append(read(overload)[1])
    assert said == [20, 70, 70, 60, 60, 50]


def test_each_report_has_a_greater_number_and_unchanged_ones_keep_theirs(overload):
    numbers = []
    for now, load in ((6, 0.75), (6.0001, 0.8), (6.0002, 0.9), (6.3, 0.9), (60, 1.0)):
        overload.observe(load, now)
        numbers.append(read(overload)[0])
    assert numbers == [BEGIN + 1000, BEGIN + 1001, BEGIN + 1002, BEGIN + 1002, BEGIN + 55000]


def test_overload_that_lasts_is_told_again_before_the_report_lapses(overload):
    overload.observe(0.9, 6)
    first = read(overload)
    overload.observe(0.9, 20)
    assert read(overload) == first
    overload.observe(0.9, 21)
    assert read(overload) == (BEGIN + 16000, 70, 30)


def test_the_end_is_told_for_as_long_as_a_report_holds(overload):
    overload.observe(0.7, 6)
    overload.observe(0, 7)
    assert read(overload) == (BEGIN + 2000, 0, 0)
    overload.observe(0, 36.9)
    assert read(overload) == (BEGIN + 2000, 0, 0)
    overload.observe(0, 37)
    assert read(overload) is None


@pytest.mark.parametrize(
    ("features", "answer"),
    [
        ([], False),
        ([avps.OC_SUPPORTED_FEATURES.encode(())], True),
        ([avps.OC_SUPPORTED_FEATURES.encode((avps.OC_FEATURE_VECTOR.encode(1),))], True),
        ([avps.OC_SUPPORTED_FEATURES.encode((avps.OC_FEATURE_VECTOR.encode(3),))], True),
        ([avps.OC_SUPPORTED_FEATURES.encode((avps.OC_FEATURE_VECTOR.encode(2),))], False),
        ([bytes.fromhex("0000026d 00000010 0000026e 00000004")], False),
    ],
)
def test_who_understands(features, answer):
    assert understands(Message(encode_message(0xC0, 272, 4, 1, 1, features))) is answer
