"""The command as it is typed, and its page in a real browser."""

import errno
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.test_transcribe import gan, hmm, knows_words, save  # noqa: F401, fixtures
from wavu import serve
from wavu.errors import WavuError
from wavu.store import write_json

SAID = ".ai..ia.a."


class Server:
    """wavu.serve in a process of its own; ``url`` is where it says that it is."""

    def __init__(self, model: Path) -> None:
        command = [sys.executable, "-m", "wavu.serve", f"model={model}", "port=0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r"open (http://127\.0\.0\.1:\d+) ", line)
        assert found, line + self.process.stderr.read()
        self.url = found[1]

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C: exit code, and what was said since."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture(scope="module")
def server(knows_words: Path) -> Iterator[Server]:  # noqa: F811
    server = Server(knows_words)
    yield server
    server.process.kill()
    server.process.communicate()


def test_a_recording_goes_through_and_ctrl_c_ends_it_in_a_line(gan: Path, tmp_path: Path) -> None:  # noqa: F811
    write_json(tmp_path / "run" / "model" / "stage.json", {"command": "gan_train", "counts": {"encoder_has_seen": "nothing"}})
    for path in gan.iterdir():
        if path.name != "stage.json":
            (tmp_path / "run" / "model" / path.name).symlink_to(path)
    server = Server(tmp_path / "run")  # a run that holds a model, not a model
    facts = httpx2.get(f"{server.url}/model").json()
    assert facts["name"] == "model" and facts["encoder_has_seen"] == "nothing" and facts["verdict"] is None
    content = save(tmp_path / "x.wav", "ai.a").read_bytes()
    answer = httpx2.post(f"{server.url}/transcribe", files={"audio": ("x.wav", content)})
    assert [phone["text"] for phone in answer.json()["phones"]] == ["a", "i", "a"]
    assert httpx2.get(server.url, headers={"host": "evil.example"}).status_code == 400
    assert server.interrupt() == (0, "stopped\n")


def test_an_upload_that_lies_about_its_length_is_cut(server: Server) -> None:
    """It never ends; the server stops reading at max_megabytes and hangs up."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        head = f"POST /transcribe HTTP/1.1\r\nHost: {host}:{port}\r\nTransfer-Encoding: chunked\r\n"
        part = '--b\r\nContent-Disposition: form-data; name="audio"; filename="x.wav"\r\n\r\n'
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n{len(part):x}\r\n{part}\r\n".encode())
        megabyte, sent = b"f4240\r\n" + bytes(1_000_000) + b"\r\n", 0
        while sent < 200 and not select.select([line], [], [], 0)[0]:
            line.sendall(megabyte)
            sent += 1
        assert 95 <= sent <= 130 and line.recv(1000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (("model={gan}", "port={taken}"), "another program listens there; end it, or give another port, such as port="),
        (("model={gan}", "port=65536"), "port=65536 must be at most 65535"),
        (("model={gan}", "port=80.5"), "port=80.5 must be a whole number"),
        (("model={gan}", "port=web"), "port=web must be a whole number"),
        (("model={gan}", "host=192.0.2.1"), "host= must be an address or a name of this machine"),
        (("model={gan}", "host=no.such.name.invalid"), "host= must be an address or a name of this machine"),
        (("model={gan}", "host=0.0.0.0"), "host=0.0.0.0 is every address of this machine; give the one that others will type"),
        (("model={gan}", "max_seconds=0"), "max_seconds=0 must be above 0"),
        (("model={gan}", "max_megabytes=-1"), "max_megabytes=-1 must be above 0"),
        (("model=nowhere", "port=0"), "model=nowhere is not a folder"),
        ((), "model must be given"),
    ],
)
def test_mistakes_are_told_in_a_line(settings: tuple[str, ...], line: str, gan: Path, typed: Callable) -> None:  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as other:
        given = [setting.format(gan=gan, taken=other.getsockname()[1]) for setting in settings]
        code, said = typed(serve, *given)
    assert code == 1 and line in said and said.count("\n") == 1


@pytest.mark.parametrize("missing", ["uvicorn", "python_multipart"])
def test_what_is_not_installed_is_told(missing: str, gan: Path, typed: Callable, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setitem(sys.modules, missing, None)
    code, said = typed(serve, f"model={gan}")
    assert code == 1 and said == "error: wavu.serve needs starlette and uvicorn; pip install 'wavu[serve]'\n"


def test_who_opens_the_door_to_the_network_is_told(monkeypatch, capsys) -> None:
    serve.listening("127.0.0.1", 0).close()
    assert not capsys.readouterr().err
    monkeypatch.setattr(socket, "create_server", lambda where, family: (where, family))
    assert serve.listening("192.0.2.1", 8765) == (("192.0.2.1", 8765), socket.AF_INET)
    assert "anybody on the network can use this page while host=192.0.2.1" in capsys.readouterr().err

    def refused(where: tuple, family: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refused)
    with pytest.raises(WavuError, match="give a higher port"):
        serve.listening("127.0.0.1", 80)


def test_an_address_is_one_that_a_browser_opens() -> None:
    assert serve.address("127.0.0.1", 8765) == "http://127.0.0.1:8765" and serve.address("::1", 80) == "http://[::1]:80"


# In a browser


@pytest.fixture
def browser(server: Server, tmp_path: Path) -> Iterator[object]:
    """Chromium at the page of the server, with a microphone into which SAID is said again and again."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    flags = "headless no-sandbox disable-gpu disable-background-networking disable-component-update disable-sync"
    flags += " use-fake-device-for-media-stream use-fake-ui-for-media-stream"
    for flag in flags.split() + [
        f"user-data-dir={tmp_path / 'profile'}",
        f"use-file-for-fake-audio-capture={save(tmp_path / 'mic.wav', SAID)}",
    ]:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.get(server.url)
    yield driver
    said = driver.get_log("browser")
    driver.quit()
    assert not said


def until(condition: Callable[[], object]) -> object:
    for _ in range(300):
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("nothing happened in 30 s")


def texts(browser: object, tier: str) -> list[str]:
    return browser.execute_script(f"return [...document.querySelectorAll('.{tier} button')].map((one) => one.textContent)")


def at(browser: object) -> float:
    return browser.execute_script("return document.getElementById('player').currentTime")


def test_a_recording_is_read_and_sought_on_the_page(browser: object, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    name = "<img src=x onerror=console.error(1)>.wav"
    browser.find_element("id", "file").send_keys(str(save(tmp_path / name, SAID)))
    assert until(lambda: texts(browser, "phones")) == ["a", "i", "i", "a", "a"] and texts(browser, "words") == ["ai", "ia", "a"]
    assert browser.find_element("id", "name").text == name and browser.find_element("id", "text").text == "ai ia a"
    phones = browser.find_elements("css selector", ".phones button")
    phones[2].click()
    assert until(lambda: at(browser) == pytest.approx(1.0, abs=0.05)) and "i · 1.0" in browser.find_element("id", "readout").text
    phones[2].send_keys(Keys.ARROW_RIGHT)
    assert until(lambda: at(browser) == pytest.approx(1.2, abs=0.05))
    browser.switch_to.active_element.send_keys(Keys.ARROW_UP)  # from the phone to the word it is in
    assert until(lambda: at(browser) == pytest.approx(1.0, abs=0.05)) and browser.switch_to.active_element.text == "ia"
    assert [one.text for one in browser.find_elements("css selector", ".now")] == ["ia", "i"]
    links = browser.find_elements("css selector", "#downloads a")
    files = {link.get_attribute("download"): link.text for link in links}
    assert files["img src_x onerror_console_error_1.TextGrid"] == "textgrid" and len(files) == 7


def test_a_mistake_is_told_and_the_next_file_works(browser: object, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("no audio")
    browser.find_element("id", "file").send_keys(str(tmp_path / "x.wav"))
    assert "unreadable: Format not recognised" in until(lambda: browser.find_element("id", "error").text)
    # The browser itself notes each answer that is an error.
    assert all("415" in line["message"] for line in browser.get_log("browser"))
    browser.find_element("id", "file").send_keys(str(save(tmp_path / "y.wav", "ai")))
    assert until(lambda: texts(browser, "phones")) == ["a", "i"] and not browser.find_element("id", "error").text


def test_what_is_spoken_is_heard(browser: object) -> None:
    button = browser.find_element("id", "record")
    button.click()
    until(lambda: "Recording: 2 s" in browser.find_element("id", "status").text)
    button.click()
    assert "ai" in until(lambda: texts(browser, "words"))
    assert browser.find_element("id", "name").text.startswith("recording ")


@pytest.mark.parametrize("width", [400, 1400])
def test_no_row_is_wider_than_the_window(width: int, browser: object, tmp_path: Path) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.find_element("id", "file").send_keys(str(save(tmp_path / "y.wav", SAID * 6)))
    assert len(until(lambda: texts(browser, "phones"))) == 30
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    script = "const at = document.getElementById('timeline'); return [at.children.length, at.scrollWidth, at.clientWidth]"
    rows, needed, given = browser.execute_script(script)
    assert needed <= given and rows >= 12 * 240 / width  # seconds, pixels per second
