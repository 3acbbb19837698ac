"""Recordings that lie elsewhere: at any URL that fsspec knows, such as ``s3://bucket/folder``."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from wavu.errors import WavuError
from wavu.settings.base import is_url
from wavu.stage import fingerprint

BLOCK_BYTES = 2**16  # read at a time where only a header is wanted
CONNECTIONS = 16  # files fetched at a time
TOLD = (
    "size",
    "ETag",
    "etag",
    "md5Hash",
    "mtime",
    "LastModified",
    "last_modified",
    "created",
)  # of a file, by one store or another


class Unreachable(WavuError):
    """There is no way to a file, which says nothing about the file."""


def files_below(url: str) -> list[str]:
    """URLs of all files below a folder that are not hidden, in order.

    Raises:
        WavuError: there is no such folder, no way to it, or no package for its protocol.
    """
    with _told(url):
        system, root = _system(url)
        return [
            system.unstrip_protocol(path) for path in sorted(system.find(root)) if not PurePosixPath(path).name.startswith(".")
        ]


def below(url: str, folder: str) -> PurePosixPath:
    """The path of a file as seen from a folder above it."""
    (_, path), (_, root) = _system(url), _system(folder)
    return PurePosixPath(path).relative_to(root)


def file_mark(url: str) -> str:
    """Short hash of what the store tells of a file: its size, and its checksum or the time of its last change."""
    with _told(url):
        system, path = _system(url)
        try:
            facts = system.info(path)
        except FileNotFoundError:
            return "unreadable"
        return fingerprint([str(facts.get(name)) for name in TOLD])


def open_at(url: str) -> IO[bytes]:
    """A file as if it lay here; only what is asked for comes over the line.

    Raises:
        FileNotFoundError: there is no such file.
        Unreachable: there is no way to it.
    """
    with _told(url, FileNotFoundError):
        system, path = _system(url)
        return system.open(path, "rb", block_size=BLOCK_BYTES)


@contextmanager
def fetched(places: list[Path | str]) -> Iterator[dict[Path | str, Path]]:
    """Where each file lies on this machine within the block: those of URLs in a temporary folder, the others where they are.

    A file that is no longer there is not there either.

    Raises:
        WavuError: there is no way to one of the files.
    """
    urls = sorted({place for place in places if is_url(place)})
    here: dict[Path | str, Path] = {place: Path(place) for place in places}
    with tempfile.TemporaryDirectory(prefix="wavu") as folder, ThreadPoolExecutor(CONNECTIONS) as pool:
        here |= {url: Path(folder, f"{number}{PurePosixPath(url).suffix}") for number, url in enumerate(urls)}
        list(pool.map(partial(_fetch, here), urls))
        yield here


def _fetch(here: dict[Path | str, Path], url: str) -> None:
    with _told(url):
        system, path = _system(url)
        try:
            system.get_file(path, str(here[url]))
        except FileNotFoundError:
            here[url].unlink(missing_ok=True)


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(url)
    except ImportError as error:
        raise WavuError(
            f"{url} needs a package that is not installed ({error}); pip install 'wavu[remote]', or that of its protocol"
        ) from error
    except ValueError as error:
        raise WavuError(f"{url}: {' '.join(str(error).split())}; check the URL") from error


@contextmanager
def _told(url: str, *others: type[Exception]) -> Iterator[None]:
    """Errors of a store, which are of all kinds but for the ``others``, in one line."""
    try:
        yield
    except (WavuError, *others):
        raise
    except Exception as error:
        raise Unreachable(
            f"cannot read {url}: {' '.join(str(error).split())[:200] or type(error).__name__}; check the URL, the network and your rights"
        ) from error
