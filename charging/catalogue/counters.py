"""Policy counters as written -> as evaluated: figures read, thresholds in the order in which spending meets them."""

from itertools import pairwise

from charging.catalogue import quantities
from charging.catalogue.model import Counter, Offer, Threshold
from charging.catalogue.quantities import QuantityError
from charging.catalogue.schema import CounterText, ThresholdText
from charging.catalogue.source import Source
from charging.catalogue.thresholds import use_threshold

_PERCENT = "per cent"


class CounterError(Exception):
    """A counter cannot be used; ``path`` leads to the key, inside the counter's table."""

    def __init__(self, message: str, *path: str | int, hint: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.hint = hint


def counter(name: str, written: CounterText, offer: Offer | None, source: Source) -> Counter:
    """The counter, of ``offer`` or (None) of money; raises CounterError for the first thing that is wrong."""
    if not written.status or not all(threshold.status for threshold in written.thresholds):
        raise CounterError("a status needs a name", hint="the policy server's rules name it")
    if not written.thresholds:
        raise CounterError("a counter without thresholds has nothing to tell", "thresholds")
    if offer is None and written.without:
        raise CounterError("without stands beside offer, and only there", "without")
    thresholds: list[Threshold] = []
    kinds: set[str] = set()
    for number, text in enumerate(written.thresholds):
        try:
            at, kind = _figure(text, offer)
        except (QuantityError, CounterError) as error:
            raise CounterError(f"threshold {number + 1}: {error}", "thresholds", number) from None
        thresholds.append(Threshold(at=at, status=text.status))
        kinds.add(kind)
    if len(kinds) > 1:
        raise CounterError(f"thresholds in {' and '.join(sorted(kinds))}", "thresholds", hint="use one of them")
    ordered = pairwise(threshold.at for threshold in thresholds)
    if not all(one < next_ if offer else one > next_ for one, next_ in ordered):
        order = "rise" if offer else "fall"
        raise CounterError(f"the thresholds must {order}, as spending meets them", "thresholds")
    kind = kinds.pop()
    return Counter(
        name=name,
        status=written.status,
        thresholds=tuple(thresholds),
        offer=written.offer,
        percent=kind == _PERCENT,
        currency="" if offer else kind,
        without=written.without,
        source=source,
    )


def _figure(text: ThresholdText, offer: Offer | None) -> tuple[int, str]:
    """A threshold's figure and what it is counted in: per cent, a unit or a currency."""
    if offer is None:
        if not text.below or text.used:
            raise CounterError('money is "below" an amount')
        amount, currency = quantities.money(text.below)
        if not currency:
            raise CounterError(f"{text.below!r} names no currency")
        return amount, currency
    if not text.used or text.below:
        raise CounterError('of an offer an amount or a share is "used"')
    used = use_threshold(text.used, offer.unit, offer.currency)
    return used.at, _PERCENT if used.percent else offer.unit
