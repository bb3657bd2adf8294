"""The configuration: every package's settings, read from one TOML file and the environment, strictly.

One table per concern. ``OCS_<TABLE>__<KEY>`` in the environment overrides a key. An unknown key, a bad type or an
impossible value is an error that says file and line, or the variable, and the reason.
"""

import re
import tomllib
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import msgspec

from balances.settings import BalancesSettings
from charging.catalogue import positions
from charging.settings import ChargingSettings
from ocs.credit_control.settings import CreditControlSettings
from ocs.diameter.settings import DiameterSettings
from ocs.http.settings import HttpSettings
from ocs.outage.settings import OutageSettings
from ocs.renewals.settings import RenewalSettings
from ocs.tracing_settings import TracingSettings
from ocs.vouchers.settings import VoucherSettings
from ocs.webhooks.settings import WebhookSettings
from simulators.settings import Settings as SimulatorSettings
from sip_credit.settings import Settings as SipSettings

FILE = Path("config.toml")
"""Read from the working directory where no other file is named, if it is there."""

_PREFIX = "OCS_"
_AT = re.compile(r"(?s)(.*?)(?: - at `\$(.*)`)?$")
_STEP = re.compile(r"\.([A-Za-z_0-9]+)|\[([0-9]+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+?)`")


class ConfigError(Exception):
    """The configuration cannot be used; the message says where and why."""


class DaemonSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The daemon as a whole: the table ``[daemon]``."""

    directory: str = "var"
    """Everything the daemon writes is in here: store data, journal, ``ports.json``."""

    workers: int = 1
    """Processes that serve the doors. With more than 1 another one has HTTP, reaper and journal, and watches them."""

    log_format: Literal["console", "json"] = "console"
    """``console`` for people, ``json`` for machines: one object per line, on standard error."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged."""

    drain: float = 10.0
    """Seconds a stopping daemon gives to what is in flight."""

    def __post_init__(self) -> None:
        if not self.directory:
            raise ValueError("directory must not be empty")
        if not 1 <= self.workers <= 256:
            raise ValueError("workers must be between 1 and 256")
        if self.drain < 0:
            raise ValueError("drain must not be below 0")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole, a table for each concern."""

    daemon: DaemonSettings
    diameter: DiameterSettings
    credit_control: CreditControlSettings
    sip_credit: SipSettings
    http: HttpSettings
    charging: ChargingSettings
    balances: BalancesSettings
    outage: OutageSettings
    vouchers: VoucherSettings
    renewals: RenewalSettings
    webhooks: WebhookSettings
    tracing: TracingSettings
    simulators: SimulatorSettings


TABLES: dict[str, Any] = typing.get_type_hints(Config)
"""The settings of each table."""

_SHIPPED: dict[str, dict[str, Any]] = {"http": {"auth": "off"}}
"""What holds where there is no file at all, as in the shipped one: open, and thus for a loopback address only."""


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """Read the file (None: ``config.toml`` if it is there, else the defaults) and the overrides; raises ConfigError."""
    if path is None and not FILE.exists():
        return _build(_override({name: dict(table) for name, table in _SHIPPED.items()}, environment), environment)
    path = path or FILE
    try:
        text = path.read_bytes().decode()
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    lines = positions.lines(text)
    return _build(_override(document, environment), environment, str(path), lines)


def _override(document: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The document with what the environment says instead; raises ConfigError."""
    for variable, text in environment.items():
        table, separator, key = variable.removeprefix(_PREFIX).lower().partition("__")
        if not variable.startswith(_PREFIX) or not separator:
            continue
        if table not in TABLES:
            raise ConfigError(f"{variable}: there is no table [{table}]{_guess(table, TABLES)}")
        hints = typing.get_type_hints(TABLES[table])
        if key not in hints:
            raise ConfigError(f"{variable}: [{table}] has no key {key!r}{_guess(key, hints)}")
        values = document.setdefault(table, {})
        if isinstance(values, dict):
            values[key] = _value(text, hints[key])
    return document


def _value(text: str, kind: Any) -> Any:
    """A variable's value: text for a key that holds text, TOML for others."""
    if kind is str or typing.get_origin(kind) is Literal:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _build(
    document: dict[str, Any],
    environment: Mapping[str, str],
    path: str = "defaults",
    lines: Mapping[positions.Path, int] | None = None,
) -> Config:
    """Check table by table, so that each error can say where it stands."""

    def where(*place: str | int) -> str:
        if len(place) > 1 and (variable := f"{_PREFIX}{place[0]}__{place[1]}".upper()) in environment:
            return variable
        while place and lines and place not in lines:
            place = place[:-1]
        return f"{path}:{lines[place]}" if place and lines else path

    for name in document:
        if name not in TABLES:
            raise ConfigError(f"{where(name)}: there is no table [{name}]{_guess(name, TABLES)}")
    tables = {}
    for name, kind in TABLES.items():
        try:
            tables[name] = msgspec.convert(document.get(name, {}), kind)
        except msgspec.ValidationError as error:
            message, place = _explain(error, kind)
            raise ConfigError(f"{where(name, *place)}: [{name}] {message}") from None
    return Config(**tables)


def _explain(error: msgspec.ValidationError, kind: Any) -> tuple[str, list[str | int]]:
    """The reason, and the path inside the table: as given, else the key a message of ours begins with or names."""
    found = _AT.match(str(error))
    assert found is not None
    message, at = found.group(1), found.group(2) or ""
    place: list[str | int] = [key or int(number) for key, number in _STEP.findall(at)]
    hints = typing.get_type_hints(kind)
    if unknown := _UNKNOWN.match(message):
        key = unknown.group(1)
        return f"has no key {key!r}{_guess(key, hints) if not place else ''}", [*place, key]
    if place:
        return f"{'.'.join(map(str, place))}: {message}", place
    key = next((word for word in re.findall(r"[a-z_0-9]+", message) if word in hints), "")
    return message, [key] if key else []


def _guess(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
