"""Plans, rates and offers: what operators sell, read from TOML, checked as a whole."""

from charging.catalogue.load import load, parse
from charging.catalogue.model import (
    Catalogue,
    CatalogueError,
    Counter,
    Offer,
    Plan,
    Problem,
    Rate,
    Rule,
    ServiceTerms,
    Source,
)

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Counter",
    "Offer",
    "Plan",
    "Problem",
    "Rate",
    "Rule",
    "ServiceTerms",
    "Source",
    "load",
    "parse",
]
