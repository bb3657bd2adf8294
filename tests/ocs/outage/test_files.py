"""The file of promises: what was said to be on disk is there, once, whatever happened to the process or the disk."""

import asyncio
import logging
import os
import stat
from pathlib import Path

import pytest

from balances.ledger import Address, Phase, Verdict
from charging.event import ChargingEvent
from charging.trust import OnTrust, Promise
from ocs.outage.files import PromiseFile, name_of
from tests.ocs.outage.disk import full_disk

SIZE = 1_000_000


def promise(operation: str, phase: Phase = Phase.OPEN, session: str = "s") -> Promise:
    event = ChargingEvent(
        session=session, operation=operation, fingerprint=1, phase=phase, door="d", at=1, now=1, identities=(),
        service=None,
    )  # fmt: skip
    answer = OnTrust(verdict=Verdict.DONE)
    return Promise(
        event=event, address=Address(shard=0, account="a"), payer="a", currency="EUR", amount=1, answer=answer
    )


def operations(path: Path, size: int = SIZE) -> list[str]:
    return [found.event.operation for found in PromiseFile(path, size).read()]


def octets(path: Path) -> bytes:
    return path.read_bytes()


def spoil(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(octets(path).replace(old, new, 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outage" / "promises-0.jsonl"


@pytest.fixture
def file(path: Path) -> PromiseFile:
    file = PromiseFile(path, SIZE)
    assert file.is_empty
    file.hold()
    assert file.read() == []
    return file


async def test_what_is_promised_is_read_again_in_its_order(file: PromiseFile, path: Path) -> None:
    await asyncio.gather(*[file.promise(promise(str(number))) for number in range(100)])
    assert operations(path) == [str(number) for number in range(100)]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


async def test_what_is_settled_is_not(file: PromiseFile, path: Path) -> None:
    await file.promise(promise("1"))
    await file.promise(promise("2"))
    file.settle(name_of(promise("1")))
    await file.close()
    assert operations(path) == ["2"]


async def test_all_settled_the_file_is_emptied_and_used_again(file: PromiseFile, path: Path) -> None:
    await file.promise(promise("1"))
    file.clear()
    await file.close()
    assert octets(path) == b""
    file.hold()
    await file.promise(promise("2"))
    assert operations(path) == ["2"]


async def test_what_comes_while_it_is_emptied_is_kept(file: PromiseFile, path: Path) -> None:
    await file.promise(promise("1"))
    file.clear()
    await file.promise(promise("2"))
    assert operations(path) == ["2"]


async def test_it_is_taken_over_only_when_its_process_has_ended(file: PromiseFile, path: Path) -> None:
    following = PromiseFile(path, SIZE)
    holding = asyncio.create_task(asyncio.to_thread(following.hold))
    await file.promise(promise("1"))
    await asyncio.sleep(0.1)
    assert not holding.done()
    await file.close()
    await asyncio.wait_for(holding, 10)
    assert [found.event.operation for found in following.read()] == ["1"]
    await following.close()


async def test_a_torn_write_is_cut_off(file: PromiseFile, path: Path) -> None:
    await file.promise(promise("1"))
    whole = octets(path)
    with path.open("ab") as end:
        end.write(whole[: len(whole) // 2])
    await file.close()
    again = PromiseFile(path, SIZE)
    again.hold()
    assert [found.event.operation for found in again.read()] == ["1"]
    await again.promise(promise("2"))
    assert operations(path) == ["1", "2"]


async def test_damage_before_the_end_costs_its_line_only(
    file: PromiseFile, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        await file.promise(promise(str(number)))
    spoil(path, b'"operation":"1"', b'"operation":"7"')
    with caplog.at_level(logging.ERROR):
        assert operations(path) == ["0", "2"]
    assert "is damaged" in caplog.text


async def test_a_disk_that_refuses_leaves_nothing_behind(file: PromiseFile, path: Path) -> None:
    await file.promise(promise("1"))
    before = octets(path)
    with full_disk(len(before) + 10), pytest.raises(OSError, match="File too large"):
        await file.promise(promise("2"))
    assert octets(path) == before, "what was torn is gone"
    await file.promise(promise("3"))
    assert operations(path) == ["1", "3"]


async def test_a_name_that_is_no_unicode_is_refused_and_disturbs_no_other(file: PromiseFile, path: Path) -> None:
    bad, good = file.promise(promise("1", session="\udcff")), file.promise(promise("2"))
    with pytest.raises(OSError, match="no Unicode"):
        await bad
    await good
    assert operations(path) == ["2"]


async def test_what_begins_leaves_room_for_reports(file: PromiseFile, path: Path) -> None:
    await file.promise(promise("0"))
    line = len(octets(path))
    file.clear()
    await file.close()
    file = PromiseFile(path, 4 * line)
    file.hold()
    file.read()
    count = 0
    while file.has_room(Phase.OPEN):
        await file.promise(promise(str(count)))
        count += 1
    assert count == 3
    assert file.has_room(Phase.UPDATE)
    written = file.promise(promise("r", Phase.UPDATE))
    assert not file.has_room(Phase.CLOSE), "what is being written counts"
    await written
    assert not file.has_room(Phase.CLOSE)
