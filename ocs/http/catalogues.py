"""Catalogues: publish, list, read, return to an earlier one."""

from typing import Annotated

from msgspec import Meta

from balances.ledger import Record
from charging.catalogue import CatalogueError
from ocs.http.auth import Role
from ocs.http.house import Call, House, Operation, Reply
from ocs.http.models import Moment, Request, Text
from ocs.http.problems import Fault, Kind, Problem
from ocs.http.settings import HttpSettings
from ocs.http.views import moment
from ocs.publishing.archive import NoSuchVersion, Publication
from ocs.publishing.publisher import NotPublished, Publisher

FileName = Annotated[str, Meta(pattern=r"^([A-Za-z0-9._-]+\.toml|decks/[A-Za-z0-9._-]+\.csv|portability\.csv)$")]


class CatalogueCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole catalogue: its files' content by name."""

    files: dict[FileName, str]
    comment: Text = ""


class PublicationCreate(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Publish again what was published before."""

    comment: Text = ""


class PublicationView(Record, frozen=True, kw_only=True):
    """A version that was, is or will be in force ``since`` a moment."""

    version: str
    since: Moment
    by: str
    comment: str


class ProcessView(Record, frozen=True, kw_only=True):
    """One process of the charging server: which version it rates by, and why it does not follow, if so."""

    name: str
    version: str
    problem: str


class CatalogueList(Record, frozen=True, kw_only=True):
    """What was published, newest first. ``current`` null: nothing was, and each process rates by its files."""

    current: PublicationView | None
    publications: tuple[PublicationView, ...]
    processes: tuple[ProcessView, ...]


class CatalogueView(Record, frozen=True, kw_only=True):
    """The files of a version, as they were published."""

    version: str
    files: dict[str, str]


def _publisher(house: House) -> Publisher:
    if house.publisher is None:
        raise Problem(Kind.NOT_PUBLISHED, "This server reads its catalogue from files (charging.catalogue_from).")
    return house.publisher


def _view(publication: Publication) -> PublicationView:
    return PublicationView(
        version=publication.version,
        since=moment(publication.since),
        by=publication.by,
        comment=publication.comment,
    )


async def publish(house: House, call: Call[CatalogueCreate, None]) -> Reply:
    files = {name: text.encode() for name, text in call.body.files.items()}
    try:
        published, new = await _publisher(house).publish(files, call.caller.name, call.body.comment)
    except CatalogueError as error:
        faults = tuple(
            Fault(detail=str(problem), pointer="#/files/" + problem.source.file.replace("/", "~1"))
            for problem in error.problems
        )
        raise Problem(Kind.WRONG_CATALOGUE, f"{len(faults)} mistakes.", errors=faults) from None
    except NotPublished as problem:
        raise Problem(Kind.NOT_PUBLISHED, str(problem)) from None
    return Reply(status=201 if new else 200, body=_view(published))


async def again(house: House, call: Call[PublicationCreate, None]) -> Reply:
    try:
        published, new = await _publisher(house).again(call.path["version"], call.caller.name, call.body.comment)
    except NoSuchVersion as problem:
        raise Problem(Kind.NO_SUCH_CATALOGUE, str(problem)) from None
    except NotPublished as problem:
        raise Problem(Kind.NOT_PUBLISHED, str(problem)) from None
    return Reply(status=201 if new else 200, body=_view(published))


async def listing(house: House, call: Call[None, None]) -> Reply:  # noqa: ARG001
    history = await _publisher(house).history()
    return Reply(
        body=CatalogueList(
            current=_view(history.current) if history.current else None,
            publications=tuple(map(_view, history.publications)),
            processes=tuple(
                ProcessView(name=name, version=state.version, problem=state.problem)
                for name, state in sorted(history.processes.items())
            ),
        )
    )


async def show(house: House, call: Call[None, None]) -> Reply:
    version = call.path["version"]
    try:
        files = await _publisher(house).files(version)
    except NoSuchVersion as problem:
        raise Problem(Kind.NO_SUCH_CATALOGUE, str(problem)) from None
    return Reply(body=CatalogueView(version=version, files={name: text.decode() for name, text in files.items()}))


def _largest(settings: HttpSettings) -> int:
    return settings.largest_catalogue


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/catalogues",
        summary="What was published, what is in force, and in which process",
        handler=listing,
        returns={200: CatalogueList},
        problems=(409,),
    ),
    Operation(
        method="POST",
        path="/v1/catalogues",
        summary="Check and publish a catalogue: all processes switch at one moment, or nothing changes",
        handler=publish,
        role=Role.ADMIN,
        body=CatalogueCreate,
        largest=_largest,
        returns={200: PublicationView, 201: PublicationView},
        problems=(409,),
    ),
    Operation(
        method="GET",
        path="/v1/catalogues/{version}",
        summary="Read the files of a version",
        handler=show,
        returns={200: CatalogueView},
        problems=(404, 409),
    ),
    Operation(
        method="POST",
        path="/v1/catalogues/{version}/publications",
        summary="Publish an earlier version again",
        handler=again,
        role=Role.ADMIN,
        body=PublicationCreate,
        returns={200: PublicationView, 201: PublicationView},
        problems=(404, 409),
    ),
)
