"""Fixtures: see ``tests.ledgers``."""

from tests.ledgers import store_url

__all__ = ["store_url"]
