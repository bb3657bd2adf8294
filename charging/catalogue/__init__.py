"""Plans, rates and offers: what operators sell, read from TOML, checked as a whole."""

from charging.catalogue.load import load, parse, read_files
from charging.catalogue.model import (
    Catalogue,
    Counter,
    Offer,
)
from charging.catalogue.plan import Plan, Rate, Rule, ServiceTerms
from charging.catalogue.source import CatalogueError, Problem, Source

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
    "read_files",
]
