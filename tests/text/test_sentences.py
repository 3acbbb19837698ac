import gzip

import numpy as np
import pytest

from wavu.errors import WavuError
from wavu.text import sentences
from wavu.text.sentences import occurrences, read_words

LINES = ["The cat sat.", "", "A dog, a cat!", "...", "the END"]


def said(found) -> list[str]:
    lines, words = found
    return [" ".join(words[word] for word in line) for line in lines]


@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize("block", [1, 9, 1 << 22])
def test_sentences_are_those_of_the_file_however_it_is_cut(block, on_disk, tmp_path, monkeypatch):
    monkeypatch.setattr(sentences, "BLOCK", block)
    monkeypatch.setattr("wavu.feed.cores", lambda: 1)
    (tmp_path / "a.txt").write_text("\ufeff" + "\n".join(LINES), encoding="utf-8")
    (tmp_path / "a.gz").write_bytes(gzip.compress("\r\n".join(LINES).encode()))
    for name in ("a.txt", "a.gz"):
        lines, words = read_words(tmp_path / name, "en-us", tmp_path if on_disk else None)
        assert said((lines, words)) == ["the cat sat", "a dog a cat", "the end"]
        assert words == ["the", "cat", "sat", "a", "dog", "end"] and lines.flat.dtype == np.int32
        assert occurrences(lines, 7).tolist() == [2, 2, 1, 2, 1, 1, 0]
    assert len(list(tmp_path.iterdir())) == 2


def test_several_processes_number_words_as_one_does(tmp_path, monkeypatch):
    text = "".join(f"line {'abcdefghij'[number % 10] * (number % 7 + 1)} of {number}\n" for number in range(2_000))
    (tmp_path / "a.txt").write_text(text)
    monkeypatch.setattr("wavu.feed.cores", lambda: 1)
    alone = read_words(tmp_path / "a.txt", "en-us")
    monkeypatch.setattr("wavu.feed.cores", lambda: 2)
    monkeypatch.setattr("wavu.feed.ALONE_SECONDS", 0)
    monkeypatch.setattr(sentences, "BLOCK", 9_000)
    lines, words = read_words(tmp_path / "a.txt", "en-us")
    assert words == alone[1]
    assert (lines.flat == alone[0].flat).all() and (lines.offsets == alone[0].offsets).all()


@pytest.mark.parametrize("block", [4, 1 << 22])
def test_a_wrong_byte_is_told_with_its_line(block, tmp_path, monkeypatch):
    monkeypatch.setattr(sentences, "BLOCK", block)
    monkeypatch.setattr("wavu.feed.cores", lambda: 1)
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbffine\nfine\n\ncaf\xe9\nfine\n")
    with pytest.raises(WavuError, match="line 4: byte 0xe9 is not UTF-8"):
        read_words(tmp_path / "a.txt", "en-us")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a line\n" * 900)[:-12])
    with pytest.raises(WavuError, match="a.gz is a damaged gzip file"):
        read_words(tmp_path / "a.gz", "en-us")


def test_an_empty_file_has_no_sentences(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"")
    lines, words = read_words(tmp_path / "a.txt", "en-us", tmp_path)
    assert len(lines) == 0 and words == []
