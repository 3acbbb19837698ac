"""What was found and what is true of the same utterances, brought together by their ids."""

from collections.abc import Mapping

from wavu.errors import WavuError
from wavu.prepared import SILENCE

Sequences = Mapping[str, list[str]]  # phones or words of each utterance, by its id


def paired(found: Mapping[str, list], true: Mapping[str, list]) -> list[tuple[list, list]]:
    """What was found and what is true (B) of each utterance with a truth; where nothing was found, an empty list.

    What was found without a truth is left out.

    Raises:
        WavuError: no utterance has both.
    """
    if not found.keys() & true.keys():
        shown = [next(iter(names), "none") for names in (found, true)]
        raise WavuError(
            f"no utterance has both a hypothesis and a truth (first ids: '{shown[0]}' and '{shown[1]}'); ids are file names without the ending"
        )
    return [(found.get(name, []), sequence) for name, sequence in true.items()]


def spoken(phones: Sequences) -> Sequences:
    """Without silence."""
    return {name: [phone for phone in row if phone != SILENCE] for name, row in phones.items()}
