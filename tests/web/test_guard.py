"""Requests as browsers send them for pages of their own and of others."""

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from wavu.web.guard import HEADERS, foreign, guards


@pytest.fixture
def client() -> TestClient:
    page = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse("in"), methods=["GET", "POST"])],
        middleware=guards(["localhost", "127.0.0.1", "[::1]"]),
    )
    return TestClient(page, base_url="http://localhost:8765")


@pytest.mark.parametrize("host", ["localhost", "localhost:8765", "127.0.0.1:99", "[::1]:8765", "LocalHost"])
def test_names_of_our_own_lead_in(host: str, client: TestClient) -> None:
    assert client.get("/", headers={"host": host}).text == "in"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b"]
)
def test_a_name_that_was_made_to_lead_here_does_not(host: str, client: TestClient) -> None:
    for method in ("GET", "POST"):
        assert client.request(method, "/", headers={"host": host}).status_code in (400, 403)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", "http://localhost", "http://localhost:8766", "http://evil@localhost:8765", "nonsense"],
)
def test_another_pages_post_is_refused(origin: str, client: TestClient) -> None:
    answer = client.post("/", headers={"origin": origin})
    assert answer.status_code == 403 and "its own page only" in answer.json()["error"]
    assert client.get("/", headers={"origin": origin}).text == "in"  # which another page cannot read


def test_our_own_page_and_programs_may_post(client: TestClient) -> None:
    assert client.post("/", headers={"origin": "http://localhost:8765"}).text == "in"
    assert client.post("/").text == "in"
    assert not foreign(Headers({"origin": "https://wavu.example", "host": "wavu.example"}))  # behind a proxy that encrypts


@pytest.mark.parametrize("headers", [{}, {"host": "evil.example"}, {"origin": "null"}])
def test_every_answer_binds_the_browser(headers: dict, client: TestClient) -> None:
    answer = client.post("/", headers=headers)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
