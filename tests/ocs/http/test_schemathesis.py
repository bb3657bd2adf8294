"""A stranger reads the OpenAPI document and holds the running daemon to it: valid, invalid and odd requests.

The two streams of events never end and are tested by hand in ``test_events``.
"""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ocs.http import openapi
from ocs.http.app import OPERATIONS
from ocs.http.auth import Role, new_token
from tests.house import House

PROBLEM = "application/problem+json"
TOKEN, LINE = new_token(Role.ADMIN, "stranger")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("described")
    tokens = directory / "tokens"
    tokens.write_text(LINE)
    with House(directory, OCS_HTTP__AUTH="tokens", OCS_HTTP__TOKENS=str(tokens)) as house:
        house._api.headers["Authorization"] = f"Bearer {TOKEN}"
        yield house


schema = schemathesis.openapi.from_dict(openapi.document(OPERATIONS, "test"))


@schema.auth()
class Bearer:
    """How the stranger shows the token."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        return TOKEN

    def set(self, case: schemathesis.Case, token: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {token}"


@schema.exclude(path=["/v1/events", "/v1/trace"]).parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_each_operation_does_what_it_says(case: schemathesis.Case, house: House) -> None:
    answer = case.call(base_url=f"http://127.0.0.1:{house.ports['http']}")
    # Valid by the schema and refused all the same: 422 is also for plans, offers and amounts of nothing.
    case.validate_response(answer, excluded_checks=[positive_data_acceptance])
    if answer.status_code >= 400:
        [kind] = answer.headers["content-type"]
        tmf = case.path.startswith("/tmf-api/") and answer.status_code != 405
        assert kind == ("application/json" if tmf else PROBLEM)
        assert answer.json()["status"] == (str(answer.status_code) if tmf else answer.status_code)


def test_the_books_close_after_all_that(house: House) -> None:
    assert house.audit()["balanced"] is True
