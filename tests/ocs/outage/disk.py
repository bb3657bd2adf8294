"""A disk that refuses: no file of this process may grow beyond some octets, and a write there is torn."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full_disk(octets: int = 10) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
