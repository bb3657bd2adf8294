"""``scripts/bench-charges``: what one charge costs the store alone, on an embedded store with its file.

With ``--against`` another folder of Lua (``balances/lua`` of another version) does the same work in turns on the same
store: the two are compared as a ratio, which other work on the machine disturbs least.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median

from balances.embedded import EmbeddedStore
from balances.ledger import Account, Charge, Movement, NewAccount, Phase, Quote, Unit, Use
from balances.link import Link
from balances.price import Price, Step
from balances.scripts import assemble, made
from balances.store import StoreLedger
from bench.machine import BenchFailed, cpu_of_first_thread

SESSIONS = 200
UPDATES = 10
PRICE = Price(0, (Step(None, 100_000, 1_000),))
USED, WANTED = 8_000_000, 10_000_000


class Candidate:
    """A version of the functions, with accounts and sessions of its own."""

    def __init__(self, name: str, ledger: StoreLedger, text: str) -> None:
        self.name = name
        self.ledger = ledger
        self.accounts: list[Account] = []
        self.ledger.scripts["charge"] = made("charge", text)
        self.figures: list[float] = []

    async def open_accounts(self) -> None:
        for number in range(SESSIONS):
            account = await self.ledger.open_account(NewAccount(id=f"{self.name}{number}", plan="p", currency="EUR"), 1)
            await self.ledger.move(
                Movement(address=account.address, operation="t", amount=10**13, cause="topup", now=1)
            )
            self.accounts.append(await self.ledger.account(account.address))

    async def round(self, number: int, groups: int, pid: int) -> float:
        """A session of each account. Returns the microseconds of the store's processor that an update costs."""
        await self._all(number, groups, Phase.OPEN, 0)
        before = cpu_of_first_thread(pid)
        for update in range(1, UPDATES + 1):
            await self._all(number, groups, Phase.UPDATE, update)
        spent = cpu_of_first_thread(pid) - before
        await self._all(number, groups, Phase.CLOSE, UPDATES + 1)
        return 1e6 * spent / (SESSIONS * UPDATES)

    async def _all(self, number: int, groups: int, phase: Phase, request: int) -> None:
        uses = tuple(
            Use(
                key=f"{group}",
                unit=Unit.OCTETS,
                used=0 if phase is Phase.OPEN else USED,
                wanted=0 if phase is Phase.CLOSE else WANTED,
                quote=Quote(terms="data", price=PRICE),
            )
            for group in range(groups)
        )
        answers = await asyncio.gather(*[
            self.ledger.charge(
                Charge(
                    address=account.address, version=account.version, session=f"gw;{account.address.account};{number}",
                    operation=f"{request}", fingerprint=request, phase=phase, door="diameter", now=1_000 + request,
                    deadline=10**12 + request, uses=uses, sequence=request,
                )
            )
            for account in self.accounts
        ])  # fmt: skip
        right = 0 if phase is Phase.CLOSE else WANTED
        if any(grant.granted != right for answer in answers for grant in answer.grants):
            raise BenchFailed(f"a charge was answered {answers[0]}")


async def run(candidates: dict[str, str], groups: int, rounds: int) -> list[Candidate]:
    with tempfile.TemporaryDirectory(prefix="ocs-bench-") as directory:
        embedded = EmbeddedStore(Path(directory))
        link = Link(await embedded.start(), timeout=30.0)
        await link.open()
        await StoreLedger(link).prepare()
        try:
            found = [Candidate(name, StoreLedger(link), text) for name, text in candidates.items()]
            for candidate in found:
                await candidate.open_accounts()
            for number in range(rounds):
                for candidate in found:
                    candidate.figures.append(await candidate.round(number, groups, embedded.pid or 0))
            if not (await StoreLedger(link).audit()).balanced:
                raise BenchFailed("the books do not close")
        finally:
            await link.close()
            await embedded.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench-charges", description=__doc__)
    parser.add_argument("--groups", default="1,3", help="rating groups of a request")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--against", type=Path, help="balances/lua of another version")
    options = parser.parse_args()
    candidates = {"this": assemble("charge")}
    if options.against:
        candidates["other"] = assemble("charge", options.against)
    try:
        for groups in map(int, options.groups.split(",")):
            found = asyncio.run(run(candidates, groups, options.rounds))
            for one in found:
                print(
                    f"{groups} rating groups, {one.name}: {min(one.figures):.1f} us, median {median(one.figures):.1f}"
                )
            if len(found) == 2:
                ratios = [this / other for this, other in zip(*[one.figures for one in found], strict=True)]
                print(f"{groups} rating groups: this is {median(ratios):.3f} of the other")
    except BenchFailed as failure:
        sys.exit(f"bench: this run does not count: {failure}")


if __name__ == "__main__":
    main()
