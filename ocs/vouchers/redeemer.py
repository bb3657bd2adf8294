"""Redeeming: a code is claimed, its worth handed over, the claim settled. What a crash left in between is finished."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from balances.ledger import Account, Ledger, LedgerError, Movement, Receipt, Status
from balances.transfers import PATIENCE, TOO_LATE
from balances.vouchers import Batch, Claim, Refused, Vouchers, normal
from charging.catalogue import Catalogue
from charging.catalogue.model import Offer
from charging.gifts import WrongCurrency, gift
from charging.life import credit
from ocs.chores import repeat
from ocs.metrics import Metrics
from ocs.vouchers.settings import VoucherSettings

log = logging.getLogger(__name__)

VOUCHER = "voucher"
"""Cause of the entry of a voucher that is worth money."""


class NotRedeemed(Exception):
    """The code is worth nothing, and why."""

    def __init__(self, reason: Refused) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Locked(Exception):
    """Too many wrong codes; ``wait`` in milliseconds."""

    def __init__(self, wait: int) -> None:
        super().__init__("too many wrong codes")
        self.wait = wait


class NotForIt(Exception):
    """The voucher is good, but not for this account."""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A voucher that was handed over."""

    batch: Batch
    receipt: Receipt
    again: bool


def read_secret(path: str) -> bytes:
    """The first line of the file; raises OSError."""
    secret = Path(path).read_text().split("\n", 1)[0].strip().encode()
    if len(secret) < 16:
        raise OSError(f"{path}: the secret of vouchers has fewer than 16 characters")
    return secret


class Redeemer:
    """For all accounts. ``catalogue``: the one in force; ``clock``: milliseconds since 1970."""

    def __init__(
        self,
        settings: VoucherSettings,
        vouchers: Vouchers,
        ledger: Ledger,
        catalogue: Callable[[], Catalogue],
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        self.vouchers = vouchers
        self._settings = settings
        self._ledger = ledger
        self._catalogue = catalogue
        self._metrics = metrics
        self._clock = clock

    async def redeem(self, account: Account, typed: str, key: str) -> Redeemed:
        """Once; raises NotRedeemed, Locked, NotForIt, LedgerError, Unavailable. A mistyped code is no try."""
        code = normal(typed)
        if code is None:
            self._count(Refused.MISTYPED)
            raise NotRedeemed(Refused.MISTYPED)
        wait = await self.vouchers.try_once(account.address, self._settings.tries, int(self._settings.lock * 1000))
        if wait:
            self._count("locked")
            raise Locked(wait)
        batch, claim = await self._claim(account, code, key)
        await self.vouchers.take_back(account.address)
        receipt = await self._hand_over(batch, claim)
        self._count("repeated" if receipt.repeated else "redeemed")
        return Redeemed(batch, receipt, receipt.repeated)

    async def _claim(self, account: Account, code: str, key: str) -> tuple[Batch, Claim]:
        now = self._clock()
        id = await self.vouchers.find(code)
        batch = None if id is None else await self.vouchers.batch(id, now)
        if batch is None:
            self._count(Refused.UNKNOWN)
            raise NotRedeemed(Refused.UNKNOWN)
        self._check(batch, account)
        found = await self.vouchers.claim(code, batch.id, account.address, key, now)
        if isinstance(found, Claim) and found.done and now - found.at > TOO_LATE:
            found = Refused.USED  # the ledger may have forgotten that it was handed over
        if isinstance(found, Refused):
            self._count(found)
            raise NotRedeemed(found)
        return batch, found

    def _check(self, batch: Batch, account: Account) -> None:
        """Could the account be given it at all? Raises NotForIt: then nobody has claimed anything."""
        if account.status is Status.CLOSED:
            raise NotForIt("the account is closed")
        if not batch.worth.offer:
            if batch.worth.currency != account.currency:
                raise NotForIt(f"the voucher is in {batch.worth.currency}, the account in {account.currency}")
            return
        try:
            gift(self._catalogue(), self._offer(batch), account, "", 0)
        except WrongCurrency as error:
            raise NotForIt(str(error)) from None

    def _offer(self, batch: Batch) -> Offer:
        offer = self._catalogue().offer(batch.worth.offer)
        if offer is None:
            raise NotForIt(f"the catalogue has no offer {batch.worth.offer!r}")
        return offer

    async def _hand_over(self, batch: Batch, claim: Claim) -> Receipt:
        """What the claim is worth, once; then the claim is settled."""
        now = self._clock()
        if batch.worth.offer:
            account = await self._ledger.account(claim.owner)
            given = gift(self._catalogue(), self._offer(batch), account, claim.operation, now)
            receipt = await self._ledger.give(given)
        else:
            movement = Movement(
                address=claim.owner,
                operation=claim.operation,
                amount=batch.worth.amount,
                cause=VOUCHER,
                reference=f"{batch.id} #{claim.serial}",
                now=now,
            )
            receipt = await credit(self._ledger, self._catalogue(), movement)
        if not claim.done:
            await self.vouchers.settle(claim)
        return receipt

    async def run(self, interval: float = 5.0) -> None:
        """Finish what was left unsettled, until cancelled. Any number may run."""
        await repeat(self.finish, interval, "settling of vouchers")

    async def finish(self) -> int:
        """Hand over what was claimed a while ago and is not settled; how many were."""
        now, done = self._clock(), 0
        for claim in await self.vouchers.unsettled(now - PATIENCE):
            batch = await self.vouchers.batch(claim.batch, now)
            try:
                if batch is None or now - claim.at > TOO_LATE:
                    raise NotForIt("it was claimed too long ago")
                await self._hand_over(batch, claim)
            except (LedgerError, NotForIt, WrongCurrency) as problem:
                log.warning("%s of %s is not settled: %s", claim.operation, claim.owner.account, problem)
            else:
                done += 1
        return done

    def _count(self, result: str) -> None:
        self._metrics.vouchers.labels(str(result)).inc()
