"""What units of speech are worth to a decipherment, in numbers without a label by which units of different origin can be compared.

Surprise and log likelihood as they are cannot: units that change seldom, or few of which are used, are likelier frame by frame
whatever they know about phones. So each is set against what the same units are worth to somebody who knows less: surprise
against frequencies alone (``matched``), likelihood against a text whose phones are in random order (``order``). The first is zero
for noise but grows with whatever lasts, such as a speaker; the second is low for both, but not zero, as sounds were learned with
the text's order; so it is weighed by how much of the phone the units tell (``known``). Their product is the ``score``.

Shapes: N frames, V phones, the last of them silence; K units.
"""

import numpy as np
from scipy.special import entr

from wavu.decipher import hmm
from wavu.decipher.grammar import Grammar, with_optional_silence
from wavu.decipher.search import Deciphered, Matcher
from wavu.decipher.viterbi import begins, best_states
from wavu.ragged import Ragged
from wavu.units import HOP_SECONDS


def usage(units: Ragged, *, n_units: int) -> dict[str, float]:
    """How many units are in use (``perplexity``, 1 to K), and how many runs of equal ones a second has."""
    frequency = np.bincount(units.flat, minlength=n_units) / len(units.flat)
    return {
        "perplexity": float(np.exp(entr(frequency).sum())),
        "runs_per_second": float(units.run_starts().sum() / (len(units.flat) * HOP_SECONDS)),
    }


def worth(
    found: Deciphered, units: Ragged, lines: Ragged, *, matcher: Matcher, generator: np.random.Generator
) -> tuple[dict[str, float], Ragged, Ragged]:
    """How well a text explains units that were deciphered with it. lines: phones of the text.

    surprise: of the best match, nats. matched: by how much it exceeds that if nothing but the frequencies of units is known.
    log_likelihood: natural, per frame. order: bits per phone that it loses if the text's phones stand in random order.
    phones_per_second: as deciphered. known: share of the uncertainty about the phone that its unit takes away, if the phones
    that are likeliest by their sound alone are the right ones. score: ``known`` times ``order``.

    Returns them, the phones that were deciphered, and those that are likeliest by sound alone (rows as in units).
    """
    model, n_phones = found.best.model, found.grammar.last.shape[1]
    shuffled = Ragged(generator.permutation(lines.flat), lines.offsets)
    unordered = Grammar.of(with_optional_silence(shuffled, n_phones - 1), n_phones, order=2)
    likelihood, without = (hmm.evidence(model, grammar, units) for grammar in (found.grammar, unordered))
    said, heard = (best_states(model, found.grammar, units, grammar_weight=weight, phone_bonus=0.0) for weight in (1.0, 0.0))
    n_states, surprise = model.stay.shape[1], min(turn.surprise[0] for turn in found.rounds)
    phones = [_phones(states, n_states, n_phones - 1) for states in (said, heard)]
    measured = {
        "surprise": surprise,
        "matched": matcher.surprise_by_frequency() - surprise,
        "log_likelihood": likelihood,
        "order": (likelihood - without) * len(units.flat) / max(1, len(phones[0].flat)) / np.log(2),
        "phones_per_second": len(phones[0].flat) / (len(units.flat) * HOP_SECONDS),
        "known": known(heard.flat // n_states, units.flat),
    }
    return measured | {"score": measured["known"] * measured["order"]}, *phones


def known(phones: np.ndarray, units: np.ndarray) -> float:
    """Mutual information of phones and units (N) by the entropy of the phones, 0 to 1; 0 where there is only one phone."""
    _, code = np.unique(phones.astype(np.int64) * (int(units.max()) + 1) + units, return_counts=True)
    joint, of_phone, of_unit = (entr(counts / len(units)).sum() for counts in (code, np.bincount(phones), np.bincount(units)))
    return float((of_phone + of_unit - joint) / of_phone) if of_phone else 0.0


def _phones(states: Ragged, n_states: int, silence: int) -> Ragged:
    """The phones of paths (N), each once, without silence."""
    phones = Ragged(states.flat // n_states, states.offsets).keep(begins(states, n_states))
    return phones.keep(phones.flat != silence)
