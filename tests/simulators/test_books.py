from simulators.books import Books, Item, data_tariff

ANN, BEN = "ann", "ben"


def data(session: str, account: str = ANN, group: int | None = 10) -> Item:
    return Item(account, "data", session, data_tariff(group), str(group))


def test_blocks_are_rounded_once_per_session_and_key_however_it_is_reported():
    books = Books()
    for part in (1, 99_999, 50_000):
        books.used(data("s1"), part)
    assert books.spent().money == 2_000  # 150,000 octets: two blocks of 100 kB
    books.used(data("s2"), 1)
    assert books.spent().money == 3_000


def test_each_rating_group_has_its_price():
    books = Books()
    books.used(data("s", group=20), 1_000_000)
    books.used(data("s", group=99), 5_000_000)
    books.used(data("s", group=None), 1_000_000)
    books.used(data("s", group=77), 1_000_000)
    assert books.spent().money == 100_000 + 0 + 10_000 + 10_000


def test_voice_by_the_second_and_messages_each():
    books = Books()
    books.used(Item(ANN, "voice", "v", "voice"), 61)
    books.used(Item(BEN, "sms", "m", "sms"), 1)
    assert books.spent(ANN).money == 61_000
    assert books.spent(service="sms").money == 90_000
    assert books.counts() == {"voice": 1, "sms": 1}


def test_a_refund_takes_the_message_out_and_its_session_is_known():
    books = Books()
    books.used(Item(ANN, "sms", "m", "sms"), 1)
    books.refunded("m", "r")
    assert books.spent().money == 0
    assert books.sessions["r"].account == ANN


def test_an_allowance_pays_instead_of_money_where_the_account_has_it():
    books = Books()
    books.allow(ANN, "data-1gb")
    books.used(data("a"), 250_000)
    books.used(data("b", BEN), 250_000)
    books.used(data("c", ANN, 20), 100_000)  # not covered by the offer
    assert (books.spent(ANN).money, books.spent(ANN).allowance) == (10_000, 250_000)
    assert (books.spent(BEN).money, books.spent(BEN).allowance) == (3_000, 0)


def test_what_was_never_acknowledged_widens_what_may_have_been_charged():
    books = Books()
    books.used(data("a"), 100_000)
    books.unknown(data("a"), 100_000)
    books.unknown(Item(ANN, "sms", "m", "sms"), 1)
    spent = books.spent()
    assert (spent.money, spent.least, spent.most) == (1_000, 1_000, 92_000)


def test_the_servers_clock_may_have_counted_another_second():
    books = Books()
    call = Item(ANN, "sip calls", "c", "voice")
    books.used(call, 3)
    assert (books.spent().least, books.spent().most) == (3_000, 3_000)
    books.clocks(call, 2, 4)
    assert (books.spent().money, books.spent().least, books.spent().most) == (3_000, 2_000, 4_000)
