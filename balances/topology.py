"""The link that a target needs."""

from typing import Any

from balances.cluster import ClusterLink
from balances.link import Link
from balances.sentinel import SentinelLink
from balances.target import Target, parse_target

_LINKS: dict[str, type[Link]] = {"instance": Link, "sentinel": SentinelLink, "cluster": ClusterLink}


def link_to(url: str | Target, **options: Any) -> Link:
    """A link, not open yet, to one instance, the master of Sentinels or a Cluster; ``options`` as ``Link`` has."""
    target = parse_target(url) if isinstance(url, str) else url
    return _LINKS[target.kind](target, **options)
