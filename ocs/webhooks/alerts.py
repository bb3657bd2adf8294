"""What is told of an account's money: at which thresholds, and whether to top it up by itself.

By the account's own setting, else by its plan, else by the configuration.
"""

from collections.abc import Callable, Iterable

import msgspec

from balances.keys import Keys, encode
from balances.ledger import Address, Record
from balances.link import Link
from balances.wire import text, unpack


class AutoTopUp(Record, frozen=True, kw_only=True):
    """Ask for a top-up of ``amount`` when less than ``below`` is unreserved. Micro-units."""

    below: int
    amount: int


class Alerts(Record, frozen=True, kw_only=True):
    """An account's setting. ``thresholds`` in micro-units; None: those of its plan, or of the configuration."""

    thresholds: tuple[int, ...] | None = None
    auto_topup: AutoTopUp | None = None


PlanThresholds = Callable[[str, str], tuple[int, ...] | None]
"""Those of a plan for an account in a currency; None: it has none of its own."""


class AlertBook:
    """The settings, each in the shard of its account. Any call may raise Unavailable."""

    def __init__(self, link: Link, usual: tuple[int, ...], of_plan: PlanThresholds) -> None:
        self._link = link
        self._usual = usual
        self._of_plan = of_plan

    async def setting(self, address: Address) -> Alerts:
        packed = await self._link.call("GET", _key(address.shard, address.account))
        return Alerts() if packed is None else msgspec.json.decode(packed, type=Alerts)

    async def change(self, address: Address, alerts: Alerts) -> None:
        """From now on; what was told by the former setting is news again."""
        for level in told_levels(await self.setting(address)) | told_levels(alerts):
            await self._link.call("DEL", told_key(address.account, level))
        key = _key(address.shard, address.account)
        if alerts == Alerts():
            await self._link.call("DEL", key)
        else:
            await self._link.call("SET", key, msgspec.json.encode(alerts))

    async def of(self, keys: Keys, accounts: Iterable[str]) -> dict[str, Alerts]:
        """What holds for accounts of a shard, thresholds resolved: two calls for all of them."""
        names = sorted(accounts)
        if not names:
            return {}
        own = await self._link.call("MGET", *[_key(keys.shard, name) for name in names])
        terms = await self._link.call("MGET", *[keys.account(name) for name in names])
        found = {}
        for name, packed, account in zip(names, own, terms, strict=True):
            alerts = Alerts() if packed is None else msgspec.json.decode(packed, type=Alerts)
            if alerts.thresholds is None:
                alerts = msgspec.structs.replace(alerts, thresholds=self._thresholds(account))
            found[name] = alerts
        return found

    def _thresholds(self, account: bytes | None) -> tuple[int, ...]:
        if account is None:
            return self._usual
        plan, currency = unpack(account)[2:4]
        planned = self._of_plan(text(plan), text(currency))
        return self._usual if planned is None else planned


def told_levels(alerts: Alerts) -> set[str]:
    """What stands for each level that is told of once until the next credit."""
    levels = {str(threshold) for threshold in (*(alerts.thresholds or ()), 0)}
    return levels | ({f"auto:{alerts.auto_topup.below}"} if alerts.auto_topup else set())


def told(account: str, level: str) -> str:
    """What stands for a level of an account that was told of."""
    return f"{account}:money:{level}"


def told_key(account: str, level: str) -> str:
    """String: the notice it was told by."""
    return f"hooks:told:{told(account, level)}"


def _key(shard: int, account: str) -> bytes:
    """String: an account's setting."""
    return encode(f"alerts:{{s{shard}}}:{account}")
