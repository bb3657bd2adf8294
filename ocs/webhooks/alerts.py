"""What is told of an account: of its money at which thresholds, and whether to top it up by itself; of its bundles.

Of money by the account's own setting, else by its plan, else by the configuration; of bundles by their offers.
"""

from collections.abc import Callable, Iterable

import msgspec

from balances.books import AccountBook
from balances.keys import Keys, encode
from balances.ledger import Address, Record
from balances.link import Link
from balances.wire import read_account
from charging.catalogue.thresholds import UseThreshold


class AutoTopUp(Record, frozen=True, kw_only=True):
    """Ask for a top-up of ``amount`` when less than ``below`` is unreserved. Micro-units."""

    below: int
    amount: int


class Alerts(Record, frozen=True, kw_only=True):
    """An account's setting. ``thresholds`` in micro-units; None: those of its plan, or of the configuration."""

    thresholds: tuple[int, ...] | None = None
    auto_topup: AutoTopUp | None = None


class Watched(Record, frozen=True, kw_only=True):
    """A bucket that its offer wants watched: how much it held at first, and how much of it is used by now."""

    bucket: str
    initial: int
    used: int
    ends_at: int | None
    """Milliseconds; what is left of it then is written off, which is no use."""
    thresholds: tuple[UseThreshold, ...]


class Standing(Record, frozen=True, kw_only=True):
    """What holds for an account now: its alerts, thresholds resolved, and its buckets that are watched."""

    alerts: Alerts = Alerts()
    watched: tuple[Watched, ...] = ()


PlanThresholds = Callable[[str, str], tuple[int, ...] | None]
"""Those of a plan for an account in a currency; None: it has none of its own."""


OfferThresholds = Callable[[str], tuple[UseThreshold, ...]]
"""Those of an offer."""


class AlertBook:
    """The settings, each in the shard of its account. Any call may raise Unavailable."""

    def __init__(self, link: Link, usual: tuple[int, ...], of_plan: PlanThresholds, of_offer: OfferThresholds) -> None:
        self._link = link
        self._usual = usual
        self._of_plan = of_plan
        self._of_offer = of_offer

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

    async def of(self, keys: Keys, accounts: Iterable[str]) -> dict[str, Standing]:
        """What holds for accounts of a shard: two calls for all of them."""
        names = sorted(accounts)
        if not names:
            return {}
        own = await self._link.call("MGET", *[_key(keys.shard, name) for name in names])
        books = await self._link.call("MGET", *[keys.account(name) for name in names])
        found = {}
        for name, packed, book in zip(names, own, books, strict=True):
            account = None if book is None else read_account(Address(shard=keys.shard, account=name), book)
            alerts = Alerts() if packed is None else msgspec.json.decode(packed, type=Alerts)
            if alerts.thresholds is None:
                alerts = msgspec.structs.replace(alerts, thresholds=self._thresholds(account))
            found[name] = Standing(alerts=alerts, watched=self._watched(account))
        return found

    def _thresholds(self, account: AccountBook | None) -> tuple[int, ...]:
        planned = None if account is None else self._of_plan(account.plan, account.currency)
        return self._usual if planned is None else planned

    def _watched(self, account: AccountBook | None) -> tuple[Watched, ...]:
        return tuple(
            Watched(
                bucket=bucket.id,
                initial=bucket.initial,
                used=bucket.purse.debited,
                ends_at=bucket.expires_at,
                thresholds=thresholds,
            )
            for bucket in (account.buckets if account else ())
            if (thresholds := self._of_offer(bucket.offer))
        )


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


def bucket_key(account: str, bucket: str) -> str:
    """Hash: the notice by which each thing was told of a bucket; gone when the bucket ends."""
    return f"hooks:bucket:{account}:{bucket}"


def _key(shard: int, account: str) -> bytes:
    """String: an account's setting."""
    return encode(f"alerts:{{s{shard}}}:{account}")
