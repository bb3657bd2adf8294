"""Settings of tracing: the table ``[tracing]`` of config.toml."""

from importlib.util import find_spec

import msgspec


class TracingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where traces of requests are sent, if anywhere."""

    endpoint: str = ""
    """URL of a collector that takes OTLP over HTTP, such as ``http://127.0.0.1:4318/v1/traces``; empty: no traces.
    Needs the extra packages of ``pip install 'ocs[tracing]'``."""

    share: float = 0.01
    """The share of requests that are traced, from 0 to 1."""

    service: str = "ocs"
    """The name of the service in the traces."""

    def __post_init__(self) -> None:
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("endpoint must be a URL that begins with http:// or https://")
        if self.endpoint and not _installed():
            raise ValueError("endpoint needs packages that are not here: pip install 'ocs[tracing]'")
        if not 0 <= self.share <= 1:
            raise ValueError("share must be between 0 and 1")
        if not self.service:
            raise ValueError("service must not be empty")


def _installed() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
