"""One store for all machines of a module."""

from collections.abc import Iterator

import pytest

from tests.servers import valkey


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey() as url:
        yield url
