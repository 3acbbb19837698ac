"""The page as a reader, a browser and somebody with a hostile file name meet it."""

import shutil
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from wavu import page
from wavu.errors import WavuError
from wavu.page import render
from wavu.recogniser import Recogniser
from wavu.store import read_json, read_table, write_json, write_table
from wavu.transcription import Span, Transcription

SETTINGS = {"examples": 3, "seconds": 10, "seed": 0}
HOSTILE = "<script>document.title='broken'</script>"
QUOTED = "\"><img src=x onerror=\"document.title='broken'\">'"


class Hearer:
    """Hears the same phones and words in everything."""

    def stream(self, recordings: list) -> Iterator[tuple]:
        for recording in recordings:
            phones = [Span("t", 0.1, 0.3, 0.9), Span("a", 0.3, 0.6, 0.5)]
            yield recording, Transcription(recording.id, 1.0, phones, [Span(HOSTILE, 0.1, 0.6, 0.9)])


class Tags(HTMLParser):
    """Elements, attributes by which code could run or load, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.handlers, self.sources, self.text = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(autouse=True)
def hearer(monkeypatch) -> None:
    monkeypatch.setattr(Recogniser, "read", lambda folder: Hearer())


@pytest.fixture
def hostile(run_folder: Path) -> Path:
    """A run whose names, words and settings try to run code; the first recording lies where such a name puts it."""
    path = run_folder / "audio" / "manifest.tsv"
    rows = read_table(path, ["id", "path"])
    place = run_folder / f"{HOSTILE}.wav"
    place.parent.mkdir(parents=True)
    shutil.move(rows[0]["path"], place)
    rows[0] |= {"id": HOSTILE, "path": str(place)}
    rows[1] |= {"id": QUOTED, "path": QUOTED}
    rows[2] |= {"id": "two\nlines"}
    write_table(path, rows, list(rows[0]))
    record = read_json(run_folder / "model" / "stage.json")
    record["config"]["again"] = f"</pre>{HOSTILE}"
    record["counts"]["hmm"]["verdict"] = f"found{QUOTED}: {HOSTILE}"
    write_json(run_folder / "model" / "stage.json", record)
    return run_folder


def written(run: Path, **scored: object) -> str:
    page.write(run, run / "report.html", **SETTINGS, **scored)
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing(run_folder: Path) -> None:
    html = written(run_folder)
    found = Tags(html)
    assert all(source.startswith(("#", "data:")) for source in found.sources)
    assert "http" not in html.replace("http-equiv", "") and "url(" not in html
    assert found.tags.count("audio") == 3 and found.tags.count("button") == 9
    assert "Found: predicted PER 0.24" in html and "0123456789abcdef" in html


def test_hostile_names_are_text(hostile: Path) -> None:
    found = Tags(written(hostile))
    assert found.tags.count("script") == 1 and found.tags.count("img") == 2 and not found.handlers
    text = "".join(found.text)
    assert HOSTILE in text and QUOTED in text and "two lines" in text


def test_a_page_without_a_model_says_so(run_folder: Path) -> None:
    shutil.rmtree(run_folder / "model")
    html = written(run_folder)
    assert "Drawn at random" in html and "Click a word" not in html
    assert "No model" in html and "No recogniser is in this run yet" in html and "Not in this run: gan, model." in html
    assert Tags(html).tags.count("button") == 0 and Tags(html).tags.count("audio") == 3


def test_a_page_with_nothing_but_audio_and_text(run_folder: Path) -> None:
    for name in ("found", "model"):
        shutil.rmtree(run_folder / name)
    assert "No stage has named phones yet" in written(run_folder)


def test_a_model_that_cannot_be_opened_costs_the_times_alone(run_folder: Path, monkeypatch) -> None:
    def refuse(folder: Path) -> None:
        raise WavuError("its encoder is gone")

    monkeypatch.setattr(Recogniser, "read", refuse)
    html = written(run_folder)
    assert "its encoder is gone" in html and Tags(html).tags.count("audio") == 3


def test_errors_are_shown_where_they_are_known(run_folder: Path) -> None:
    rate = {key: 3 for key in ("insertions", "deletions", "substitutions", "true", "utterances")}
    rates = [{"name": "student", "rate": 0.25, "low": 0.2, "high": 0.3, **rate}]
    worst = [{"id": HOSTILE, "rate": 0.5, "pairs": [("t", "k"), ("a", "")]}]
    html = written(run_folder, scored=render.Scored(rates, worst, 0.95))
    assert "0.250" in html and "95 % bootstrap" in html and html.count("couple wrong") == 2
    assert "bootstrap" not in written(run_folder)


@pytest.fixture
def browser() -> Iterator:
    """Chromium without a window."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
                     "disable-sync", "window-size=1400,1000", f"user-data-dir={profile}"):  # fmt: skip
            options.add_argument(f"--{flag}")
        opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        yield opened
        opened.quit()


def test_a_browser_plays_seeks_and_runs_nothing_hostile(hostile: Path, browser) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    written(hostile)
    browser.get((hostile / "report.html").as_uri())
    wait, now = WebDriverWait(browser, 10), "return document.querySelector('audio').currentTime"
    wait.until(lambda _: browser.execute_script("return document.querySelector('audio').readyState") >= 1)
    assert browser.execute_script("return document.querySelector('audio').duration") == pytest.approx(1.0)
    first, second = browser.find_elements(By.CSS_SELECTOR, ".phones button")[:2]
    first.click()
    assert browser.execute_script(now) == pytest.approx(0.1)
    first.send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element == second and browser.execute_script(now) == pytest.approx(0.3)
    assert "now" in second.get_attribute("class") and "now" not in first.get_attribute("class")
    second.send_keys(Keys.SPACE)
    wait.until(lambda _: browser.execute_script(now) > 0.35)
    browser.execute_script("document.querySelector('.spectrogram').click()")
    assert browser.title == "run: wavu report" and browser.execute_script("return document.scripts.length") == 1
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
