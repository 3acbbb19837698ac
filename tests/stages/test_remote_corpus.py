"""The whole command with its recordings in a store: the same arrays as from this machine."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.stages.spoken import SMALL, files, prepared, speak
from wavu.audio.read import read_audio
from wavu.store import read_table

fsspec = pytest.importorskip("fsspec")
SHARDS = ("shard_minutes=0.05", "sample.hours=0.001", "vad=webrtc", "kmeans.clusters=8", "max_seconds=2")


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    return partial(prepared, typed, *SHARDS)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for index in range(6):
        speak(tmp_path / "in" / f"{index}.wav", 1.5 + 0.3 * index, seed=index)
    (tmp_path / "in" / "broken.wav").write_bytes(b"RIFF, so they say")
    return tmp_path / "in"


@contextmanager
def memory(bucket: str, patched: pytest.MonkeyPatch) -> Iterator[tuple]:
    system = fsspec.filesystem("memory")
    yield system, f"memory://{bucket}/in"
    system.store.clear()


@contextmanager
def amazon(bucket: str, patched: pytest.MonkeyPatch) -> Iterator[tuple]:
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    patched.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
        patched.setenv(f"AWS_{name}", value)
    system = fsspec.filesystem("s3", skip_instance_cache=False)
    system.mkdir(bucket)
    yield system, f"s3://{bucket}/in"
    server.stop()
    type(system).clear_instance_cache()


@contextmanager
def google(bucket: str, patched: pytest.MonkeyPatch) -> Iterator[tuple]:
    patched.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # read on import; wants gRPC, which the emulator lacks
    pytest.importorskip("gcsfs")
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    server = emulator.create_server("localhost", port, in_memory=True)
    server.start()
    patched.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
    patched.setitem(fsspec.config.conf, "gs", {"token": "anon", "project": "none"})
    system, _ = fsspec.core.url_to_fs(f"gs://{bucket}")
    system.mkdir(bucket)
    yield system, f"gs://{bucket}/in"
    server.stop()
    type(system).clear_instance_cache()


@pytest.fixture(params=[memory, amazon, google])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple]:
    """A file system and a place in it."""
    with request.param(tmp_path.name.replace("_", "-").lower(), monkeypatch) as made:
        yield made


def test_recordings_in_a_store_give_the_same_arrays(store: tuple, corpus: Path, tmp_path: Path, run) -> None:
    system, url = store
    system.put(f"{corpus}/", url, recursive=True)
    assert run(f"audio_dir={corpus}", f"out_dir={tmp_path / 'near'}")[0] == 0
    code, told = run(f"audio_dir={url}", f"out_dir={tmp_path / 'far'}")
    spelled = system.unstrip_protocol(system._strip_protocol(url))
    assert code == 0 and "1 skipped" in told and f"skipped {spelled}/broken.wav: unreadable" in told, told
    near, far = files(tmp_path / "near"), files(tmp_path / "far")
    assert near.keys() == far.keys() and not [name for name in near if name.endswith((".npy", "s")) and near[name] != far[name]]
    row = read_table(tmp_path / "far" / "manifest.tsv", ["id", "path"])[0]
    assert row["path"].startswith(spelled) and len(read_audio(row["path"], start=float(row["start"]), end=float(row["end"])))
    assert "is complete" in run(f"audio_dir={url}", f"out_dir={tmp_path / 'far'}")[1]
    system.put(str(corpus / "0.wav"), f"{url}/more/0.wav")
    system.invalidate_cache()
    code, told = run(f"audio_dir={url}", f"out_dir={tmp_path / 'far'}")
    assert code == 0 and "gone" not in told and set(files(tmp_path / "far")) > set(far)


def test_a_manifest_may_name_both(store: tuple, corpus: Path, tmp_path: Path, run) -> None:
    system, url = store
    system.put(str(corpus / "1.wav"), f"{url}/1.wav")
    (tmp_path / "list.tsv").write_text(f"id\tpath\nfar\t{url}/1.wav\nnear\tin/2.wav\n")
    code, told = run(f"manifest={tmp_path / 'list.tsv'}", f"out_dir={tmp_path / 'out'}", *SMALL)
    paths = {row["path"] for row in read_table(tmp_path / "out" / "manifest.tsv", ["path"])}
    assert code == 0 and paths == {f"{url}/1.wav", str(corpus / "2.wav")}, told
    other = run(f"audio_dir={url}/nothing", f"out_dir={tmp_path / 'other'}")
    assert other[0] == 1 and "nothing" in other[1] and "Traceback" not in other[1]
