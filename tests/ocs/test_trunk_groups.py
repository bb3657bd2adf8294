"""The gauge of channels in use."""

from balances.channels import Limits, MemoryChannels
from ocs.metrics import Metrics
from ocs.trunk_groups import TrunkGauge


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {(one.name, *one.labels.values()): one.value for one in metrics.samples()}


async def test_channels_in_use_are_counted_by_group() -> None:
    channels, metrics = MemoryChannels(), Metrics("1")
    gauge = TrunkGauge(channels, {"wholesale": 30, "pbx": 0}, metrics, lambda: 1000)
    for call in ("a", "b", "c"):
        await channels.occupy("wholesale", call, Limits(channels=30), now=0, until=900 if call == "c" else 5000)
    await gauge.refresh()
    found = values(metrics)
    assert found["ocs_trunk_channels", "wholesale"] == 2
    assert found["ocs_trunk_channels", "pbx"] == 0
    assert found["ocs_trunk_channel_limit", "wholesale"] == 30
    await channels.free("wholesale", "a")
    await gauge.refresh()
    assert values(metrics)["ocs_trunk_channels", "wholesale"] == 1
