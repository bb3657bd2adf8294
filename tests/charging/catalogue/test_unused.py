"""What nothing names is noted with its line."""

from charging.catalogue.load import SAMPLE, read_files
from charging.catalogue.unused import unused

TEXT = """
[roaming]
eu = ["208"]
asia = ["440"]
[times.night]
hours = "22:00-06:00"
[times.noon]
hours = "12:00-13:00"
[rates.used]
service = "data"
price = "free"
[rates.forgotten]
service = "data"
price = "free"
[decks.world]
service = "voice"
currency = "EUR"
[plans.p]
currency = "EUR"
data = [{ visited = ["eu"], rate = "used" }, { rate = "used" }]
[offers.o]
pays = ["used"]
when = "night"
amount = "1 GB"
"""


def test_what_nothing_names() -> None:
    assert [str(note) for note in unused({"c.toml": TEXT.encode(), "decks/world.csv": b""})] == [
        "c.toml:4: nothing names roaming.asia",
        "c.toml:7: nothing names times.noon",
        "c.toml:12: nothing names rates.forgotten",
        "c.toml:15: nothing names decks.world",
    ]


def test_the_sample_uses_all_it_has() -> None:
    assert unused(read_files("sample")) == unused(read_files(SAMPLE / "catalogue.toml")) == ()
