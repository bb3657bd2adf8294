"""What would change, in the words of the catalogue."""

from charging.catalogue.diff import Kind, changes

OLD = {
    "a.toml": b"""
# comments are no change
[destinations]
germany = ["49", "4930"]
[rates.call]
service = "voice"
price = "0.06 EUR per min"
blocks = "60/1"
[rates.gone]
service = "voice"
price = "free"
[decks.world]
service = "voice"
currency = "EUR"
per = "min"
[plans.p]
currency = "EUR"
voice = [
    { to = "germany", rate = "call" },
    { deck = "world" },
]
""",
    "decks/world.csv": b"prefix,price,from,name\n1,0.012,,North America\n44,0.02,,UK\n7,0.1,,Russia\n",
    "portability.csv": b"number,network\n491701,ours\n491702,ours\n",
}
NEW = {
    "b.toml": OLD["a.toml"]
    .replace(b"0.06 EUR", b"0.07 EUR")
    .replace(
        b'[rates.gone]\nservice = "voice"\nprice = "free"\n', b'[rates.new]\nservice = "sms"\nprice = "0.09 each"\n'
    )
    .replace(b"    { deck", b'    { to = "germany", when = "night", rate = "call" },\n    { deck')
    .replace(b'"4930"', b'"4940"'),
    "decks/world.csv": b"prefix,price,from,name\n1,0.012,,North America\n44,0.03,,UK\n"
    b"44,0.025,2027-01-01,UK\n8,0.2,,\n",
    "portability.csv": b"number,network\n491701,theirs\n491703,ours\n",
}


def test_nothing() -> None:
    assert changes(OLD, OLD) == ()
    assert (
        changes(OLD, {"other.toml": OLD["a.toml"] + b"# more", **{k: v for k, v in OLD.items() if k != "a.toml"}}) == ()
    )


def test_everything() -> None:
    found = {str(change): change.details for change in changes(OLD, NEW)}
    assert found == {
        "destinations.germany changed": ("- 4930", "+ 4940"),
        "rates.call changed (in p)": ("price: 0.06 EUR per min -> 0.07 EUR per min",),
        "rates.gone removed": ("- service = voice", "- price = free"),
        "rates.new added": ("+ service = sms", "+ price = 0.09 each"),
        "decks.world changed (in p)": (
            "44: price 0.02 -> 0.03 EUR per min",
            "+ 44 from 2027-01-01: price 0.025 EUR per min, name UK",
            "- 7: price 0.1 EUR per min, name Russia",
            "+ 8: price 0.2 EUR per min",
        ),
        "plans.p changed": ("+ voice: { to = germany, when = night, rate = call }",),
        "portability.numbers changed": (
            "491701: network ours -> theirs",
            "- 491702: network ours",
            "+ 491703: network ours",
        ),
    }


def test_a_plan_that_comes_and_goes() -> None:
    (added,) = changes({}, {"p.toml": b'[plans.p]\ncurrency = "EUR"\ndata = [{ rate = "a", discount = "10 %" }]\n'})
    assert (added.kind, added.details) == (Kind.ADDED, ("+ currency = EUR", "+ data: { rate = a, discount = 10 % }"))


def test_the_order_of_a_plan_s_lines_is_a_change() -> None:
    one = b'[plans.p]\ndata = [{ rating_group = 1, rate = "a" }, { rate = "b" }]\n'
    two = b'[plans.p]\ndata = [{ rate = "b" }, { rating_group = 1, rate = "a" }]\n'
    (change,) = changes({"p.toml": one}, {"p.toml": two})
    assert change.details == ("+ data: { rate = b }", "- data: { rate = b }")
