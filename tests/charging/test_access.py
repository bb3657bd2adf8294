"""Where a call enters the network, as IMS and SIP say it."""

import pytest

from charging.access import Access, read_access, visited_network


@pytest.mark.parametrize(
    ("text", "rat", "access", "visited"),
    [
        ("3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=2620112345abcd", "6", "", "262011"),
        ('3GPP-NR-TDD;utran-cell-id-3gpp="3104101234"', "51", "", "310410"),
        ("3GPP-GERAN;cgi-3gpp=2080112341234", "2", "", "208011"),
        ("3GPP-UTRAN-TDD; utran-cell-id-3gpp=23203", "1", "", "23203"),
        ("IEEE-802.11;i-wlan-node-id=00026fbeef01", "3", "wifi", ""),
        ("ieee-802.11b", "3", "wifi", ""),
        ("ADSL;dsl-location=x", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_access(text: str, rat: str, access: str, visited: str) -> None:
    assert read_access([text]) == Access(rat=rat, access=access, visited=visited)


def test_the_network_s_word_counts_before_the_telephone_s() -> None:
    said = ["IEEE-802.11;i-wlan-node-id=1", "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=2620112;network-provided"]
    assert read_access(said).rat == "6"
    assert read_access(["ADSL", "3GPP-NR"]).rat == "51"


@pytest.mark.parametrize(
    ("name", "visited"),
    [
        ("ims.mnc001.mcc262.3gppnetwork.org", "26201"),
        ("mnc410.mcc310.3gppnetwork.org", "310410"),
        ("ims.mnc012.mcc310.3gppnetwork.org", "310012"),
        ("ims.mnc120.mcc405.3gppnetwork.org", "405120"),
        ("visited.example.net", ""),
        ("", ""),
    ],
)
def test_visited_networks(name: str, visited: str) -> None:
    assert visited_network(name) == visited
