"""What comes back over HTTP: from a recogniser that tells what it was given, and from a real one."""

import asyncio
import io
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

import wavu
from tests.test_transcribe import gan, hmm, knows_words, speak  # noqa: F401, fixtures
from wavu.audio.files import Recording
from wavu.audio.read import read_audio
from wavu.errors import WavuError
from wavu.transcription import FORMATS, Span, Transcription
from wavu.units import RATE_HZ
from wavu.web.app import app
from wavu.web.upload import Limits

ABOUT = {"name": "model", "verdict": "found: predicted PER 0.24", "encoder_has_seen": "nothing"}


@dataclass
class Told:
    """Hears one phone, as long as the recording, and remembers how many recordings it was hearing at a time."""

    phones: list[str] = field(default_factory=lambda: ["a", '"<b>'])  # one that a page might take for its own
    words: None = None
    warning: str = ""
    fails: Exception | str | None = None
    given: list[Recording] = field(default_factory=list)
    at_once: list[int] = field(default_factory=list)
    hearing: int = 0

    def stream(self, recordings: Iterable[Recording]) -> Iterator[tuple[Recording, Transcription | str]]:
        for recording in recordings:
            self.given.append(recording)
            self.hearing += 1
            self.at_once.append(self.hearing)
            seconds = len(read_audio(recording.path)) / RATE_HZ
            time.sleep(0.02)
            self.hearing -= 1
            if isinstance(self.fails, Exception):
                raise self.fails
            yield recording, self.fails or Transcription(recording.id, seconds, [Span('"<b>', 0.0, seconds, 0.5)])


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def client(told: Told, tmp_path: Path, monkeypatch) -> Iterator[TestClient]:
    """A client of it; at the end, nothing may be left where temporary files are made."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    page = app(told, Limits(megabytes=0.2, seconds=3), about=ABOUT, hosts=["localhost"])
    with TestClient(page, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client
    assert not list((tmp_path / "temporary").iterdir())


def sound(seconds: float, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE_HZ)), RATE_HZ, format=kind)
    return file.getvalue()


def post(client: TestClient, content: bytes, name: str = "x.wav", **headers: str) -> httpx2.Response:
    return client.post("/transcribe", files={"audio": (name, content)}, headers=headers)


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert (
        page.headers["content-type"].startswith("text/html") and "default-src 'self'" in page.headers["content-security-policy"]
    )
    for name in ("page.css", "page.js", "timeline.js", "waveform.js", "recorder.js", "tap.js", "icon.svg"):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200 and "//" not in answer.text.replace("// ", "").replace(
            "http://www.w3.org/2000/svg", ""
        ), name
    assert client.get("/..%2fapp.py").status_code == 404 and client.get("/%2e%2e/guard.py").status_code == 404


def test_the_model_says_what_it_is(client: TestClient) -> None:
    facts = {"phones": ["a", '"<b>'], "words": False, "warning": "", "limits": {"megabytes": 0.2, "seconds": 3}}
    assert client.get("/model").json() == ABOUT | facts


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_recording_comes_back_as_phones_and_files(kind: str, client: TestClient, told: Told) -> None:
    answer = post(client, sound(1.5, kind), "speech.x").json()
    assert answer["id"] == "speech" and answer["seconds"] == pytest.approx(1.5, abs=0.1) and answer["words"] is None
    assert answer["phones"] == [{"text": '"<b>', "start": 0.0, "end": answer["seconds"], "confidence": 0.5}]
    files = {file["format"]: file for file in answer["downloads"]}
    assert list(files) == list(FORMATS) and files["textgrid"]["name"] == "speech.TextGrid"
    assert 'text = """<b>"' in files["textgrid"]["text"] and files["txt"]["text"] == '"<b>\n'
    assert files["tsv"]["text"] == 'id\tphones\nspeech\t"<b>\n' and "&lt;b&gt;" in files["vtt"]["text"]
    assert not told.given[0].path.exists()


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "..\\..\\passwd", "x/../../passwd\r\nX-Evil: 1", "<script>.wav"]
)
def test_the_clients_name_leads_nowhere(name: str, client: TestClient, told: Told) -> None:
    answer = post(client, sound(1), name)
    assert answer.status_code == 200 and told.given[0].path.name == "recording" and "x-evil" not in answer.headers
    assert all(set("/\\<>\r\n").isdisjoint(file["name"]) for file in answer.json()["downloads"])


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"0" * 300_000, 413, "the upload is larger than 0.2 MB"),
        (sound(3.5), 413, "the recording is longer than 3 s"),
        (b"", 415, "unreadable: the file has no bytes"),
        (b"<svg/>" * 99, 415, "unreadable: "),
    ],
)
def test_what_is_refused_is_told_in_one_line(content: bytes, code: int, line: str, client: TestClient, told: Told) -> None:
    answer = post(client, content)
    assert answer.status_code == code and line in answer.json()["error"] and "\n" not in answer.text and not told.given
    assert tempfile.gettempdir() not in answer.text


def test_a_recording_of_no_use(client: TestClient, told: Told) -> None:
    told.fails = "too short: 0.10 s"
    answer = post(client, sound(0.1))
    assert answer.status_code == 422 and answer.json() == {"error": "the recording is of no use: too short: 0.10 s"}


@pytest.mark.parametrize("error", [WavuError("cannot read secret/folder"), ZeroDivisionError("secret")])
def test_a_failure_of_ours_names_no_folder(error: Exception, client: TestClient, told: Told, capsys) -> None:
    told.fails = error
    answer = post(client, sound(1))
    assert answer.status_code == 500 and "the recogniser failed" in answer.json()["error"] and "secret" not in answer.text
    assert ("secret/folder" in capsys.readouterr().err) == isinstance(error, WavuError)  # a server prints the others itself
    told.fails = None
    assert post(client, sound(1)).status_code == 200


def test_what_is_no_upload(client: TestClient, told: Told) -> None:
    assert client.get("/transcribe").status_code == 404
    for request in ({}, {"data": {"audio": "x"}}, {"content": sound(1)}, {"files": {"other": b"x"}}):
        answer = client.post("/transcribe", **request)
        assert answer.status_code == 422 and "no recording came" in answer.json()["error"]
    broken = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/transcribe", content=b"--c\r\n", headers=broken).status_code == 400
    two = client.post("/transcribe", files=[("audio", ("1.wav", sound(1))), ("audio", ("2.wav", sound(1)))])
    assert two.status_code == 400 and not told.given


def test_other_sites_are_refused(client: TestClient, told: Told) -> None:
    assert post(client, sound(1), host="evil.example").status_code == 400
    assert post(client, sound(1), host="evil.example", origin="http://evil.example").status_code == 400
    assert post(client, sound(1), origin="http://evil.example").status_code == 403
    assert not told.given
    assert post(client, sound(1), origin="http://localhost").status_code == 200


def test_recordings_are_heard_one_by_one_and_are_not_mixed(told: Told) -> None:
    lengths = [1 + number / 10 for number in range(12)]

    async def together() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=app(told, Limits(1, 3), about=ABOUT, hosts=["localhost"]))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            files = [{"audio": (f"{length:.0%}.wav", sound(length))} for length in lengths]
            return await asyncio.gather(*(client.post("/transcribe", files=file) for file in files))

    answers = [answer.json() for answer in asyncio.run(together())]
    assert [answer["seconds"] for answer in answers] == pytest.approx(lengths)
    assert [answer["id"] for answer in answers] == [f"{length * 100:.0f}" for length in lengths]
    assert set(told.at_once) == {1}


def test_a_client_that_leaves_early_harms_nobody(told: Told) -> None:
    """It hangs up in the middle of its upload."""
    page = app(told, Limits(1, 3), about=ABOUT, hosts=["localhost"])
    sent, waiting = [], [{"type": "http.request", "body": b"--b\r\n", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict:
        return waiting.pop(0)

    async def send(message: dict) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")]
    scope = {"type": "http", "method": "POST", "path": "/transcribe", "headers": headers, "query_string": b"", "root_path": ""}
    asyncio.run(page(scope, receive, send))
    assert sent[0]["status"] == 499 and not told.given


def test_a_server_that_ends_answers_what_it_still_hears(told: Told) -> None:
    """Its patience is at an end while a recording is heard: an answer comes, and nothing is left behind."""

    async def cut_short() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app(told, Limits(1, 3), about=ABOUT, hosts=["localhost"]))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asked = asyncio.create_task(client.post("/transcribe", files={"audio": ("x.wav", sound(1))}))
            while not told.hearing:
                await asyncio.sleep(0.001)
            asked.cancel()
            return await asked

    answer = asyncio.run(cut_short())
    assert answer.status_code == 503 and answer.json() == {"error": "wavu.serve was stopped"}
    while told.given[0].path.parent.exists():  # its thread comes to an end by itself
        time.sleep(0.01)


def test_a_real_recogniser(knows_words: Path) -> None:  # noqa: F811
    """Phones and words over HTTP are those that a Python program hears."""
    recogniser, file = wavu.load(knows_words), io.BytesIO()
    soundfile.write(file, speak(".ai..ia.a."), RATE_HZ, format="WAV")
    page = app(recogniser, Limits(1, 30), about=ABOUT, hosts=["localhost"])
    with TestClient(page, base_url="http://localhost") as client:
        assert client.get("/model").json()["words"] and client.get("/model").json()["phones"] == ["a", "i"]
        answer = post(client, file.getvalue(), "said.wav").json()
    assert [word["text"] for word in answer["words"]] == ["ai", "ia", "a"]
    assert "".join(phone["text"] for phone in answer["phones"]) == "aiiaa" and answer["seconds"] == 2
    assert next(file["text"] for file in answer["downloads"] if file["format"] == "txt") == "ai ia a\n"
