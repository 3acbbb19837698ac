"""Whoever was dealt stays where they are; who is new, or has changed, comes into a further shard."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.audio.dealt import DEALT, Piece, by_shard, contents, deal_on, read_dealt, write_dealt
from wavu.audio.files import Recording
from wavu.errors import WavuError

SIZES = {"max_seconds": 40.0, "shard_minutes": 1.0}


def recordings(marks: dict[str, str]) -> list[Recording]:
    return [Recording(name, Path(f"/in/{name}.wav"), 0.0, 10.0 + len(name)) for name in sorted(marks)]


def dealt(before: list[Piece], marks: dict[str, str]) -> list[Piece]:
    return deal_on(before, recordings(marks), marks, **SIZES)


CORPUS = st.dictionaries(st.text("abcd", min_size=1, max_size=3), st.sampled_from("xyz"), min_size=1, max_size=30)


@settings(max_examples=60)
@given(CORPUS, CORPUS)
def test_everybody_lies_in_one_shard_and_nobody_moves(first: dict[str, str], second: dict[str, str]) -> None:
    before = dealt([], first)
    after = dealt(before, second)
    assert {piece.of: piece.mark for piece in after} == second and len(after) == len(second)
    places = {piece.of: piece.shard for piece in before}
    for piece in after:
        if first.get(piece.of) == piece.mark:
            assert piece.shard == places[piece.of]
        else:
            assert piece.shard > max(places.values())
    assert dealt(after, second) == after


def test_the_pieces_of_a_long_recording_come_and_go_together() -> None:
    long = Recording("long", Path("nowhere.wav"), 0.0, 130.0)
    pieces = deal_on([], [long], {"long": "x"}, **SIZES)
    assert [piece.recording.id for piece in pieces] == [f"long-{part:03d}" for part in (0, 3, 1, 2)] or len(pieces) == 4
    assert {piece.of for piece in pieces} == {"long"} and len(by_shard(pieces)) == 3
    changed = deal_on(pieces, [long], {"long": "y"}, **SIZES)
    assert len(changed) == 4 and min(by_shard(changed)) == 3


def test_what_a_shard_is_made_of_does_not_hang_on_where_it_lies() -> None:
    (piece,) = dealt([], {"a": "x"})
    moved = deal_on([piece], [Recording("a", Path("/far/a.wav"), 0.0, 11.0)], {"a": "x"}, **SIZES)
    assert moved[0].recording.path == Path("/far/a.wav") and contents(moved) == contents([piece])
    spoken = deal_on([piece], [Recording("a", Path("/in/a.wav"), 0.0, 11.0, "eva")], {"a": "x"}, **SIZES)
    assert contents(spoken) != contents([piece]) != contents(dealt([], {"a": "y"}))


def test_it_comes_back_from_disk_whatever_paths_hold(tmp_path: Path) -> None:
    assert read_dealt(tmp_path) == []
    piece = Piece(Recording("tab", Path("/in/tab\there\nline \udcff \u2028.wav"), 1.0, 2.5, "eva"), 3, "tab", "x")
    write_dealt(tmp_path, [piece, piece])
    assert read_dealt(tmp_path) == [piece, piece]


def test_a_damaged_list_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / DEALT).write_text('[1, "a"\n')
    with pytest.raises(WavuError, match=r"recordings.jsonl is damaged .*overwrite=true"):
        read_dealt(tmp_path)
