"""How far the label-free scores of wavu.choose_layer can be trusted: a linear probe of each layer, which sees the truth, beside them.

    python -m wavu.choose_layer encoder=DIR audio_dir=corpus/audio text=runs/text out_dir=runs/layers keep_frames=true
    python scripts/probe_layers.py runs/layers corpus/references.tsv

The probe is one linear layer on the frozen frames, trained with CTC (Graves et al. 2006) on the true phones of four utterances in
five. Its PER on the fifth says how much of the phones a layer shows to a model that can hardly learn anything by itself. The last
line is Spearman's rank correlation of each score with that PER. Nothing of this is used to choose anything.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional as F

from wavu.audio.shards import Encoded
from wavu.audio.side_by_side import part
from wavu.decode.ctc import greedy
from wavu.errors import WavuError
from wavu.pictures.layers import NUMBERS
from wavu.prepared import SILENCE
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.references import read_references
from wavu.scoring.pairs import Sequences, spoken
from wavu.scoring.rates import phone_error_rate
from wavu.stage import finished
from wavu.stages.layers import COLUMNS
from wavu.store import read_table, write_table
from wavu.student.train import ctc_loss

ITERATIONS = (
    80  # of L-BFGS over all utterances at once: convergence without a rate to choose; 60 and 150 differ by 2 % of the PER
)
RIDGE = 1e-4  # weight of the squares beside nats per phone
TEST_SHARE = 5  # one utterance in so many is scored, the others are learned from
SCORES = [name for name, *_ in NUMBERS if name != "spread"]


def probe(
    frames: Ragged, targets: list[list[str]], *, phones: list[str], seed: int, report: Callable[[float], None] = lambda loss: None
) -> float:
    """PER of a linear probe on utterances it has not learned from.

    frames (N, D): of B utterances. targets: the true phones of each. phones: all there are.
    """
    number = {phone: index for index, phone in enumerate(phones)}
    order = np.random.default_rng(seed).permutation(len(frames))
    test, train = np.split(order, [max(1, len(order) // TEST_SHARE)])
    learned = torch.from_numpy(frames.take(train).flat.astype(np.float32))
    scale, shift = learned.std(0) + 1e-5, learned.mean(0)
    inputs, lengths = _padded(frames, train, shift, scale)
    labels = [np.array([number[phone] for phone in targets[row]], np.int64) for row in train]
    weights = torch.zeros(inputs.shape[-1], len(phones) + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = ctc_loss((inputs @ weights).log_softmax(-1), lengths, labels) + RIDGE * weights.square().sum()
        value.backward()
        report(value.item())
        return value

    optimizer.step(loss)
    heard, lengths = _padded(frames, test, shift, scale)
    scores = F.log_softmax(heard @ weights.detach(), -1).numpy()
    found = {
        str(row): [phones[index] for index in greedy(rows[:length])[0][:, 0]]
        for row, rows, length in zip(test, scores, lengths.tolist(), strict=True)
    }
    return phone_error_rate(found, {str(row): targets[row] for row in test}).rate


def _padded(frames: Ragged, rows: np.ndarray, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Utterances of mean 0 and variance 1, with a constant for the bias as their last dim (B, N, D + 1); their lengths (B)."""
    each = [(torch.from_numpy(frames[row].astype(np.float32)) - shift) / scale for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence([F.pad(one, (0, 1), value=1.0) for one in each], batch_first=True)
    return padded, torch.tensor([len(one) for one in each])


def probed(layers: Path, true: Sequences) -> list[dict]:
    """The rows of ``scores.tsv`` with the ``per`` of a probe each; of utterances whose phones are known."""
    config = finished(layers, "choose_layer")["config"]
    rows = read_table(layers / "scores.tsv", COLUMNS)
    names = [row["layer"] for row in rows]
    folders = sorted((layers / "encoded").glob("*"))
    if not folders:
        raise WavuError(f"{layers} holds no frames; run wavu.choose_layer again with keep_frames=true overwrite=true")
    shards = [Encoded.read(folder) for folder in folders]
    ids = [row["id"] for shard in shards for row in shard.kept]
    known = np.array([index for index, name in enumerate(ids) if true.get(name)])
    if len(known) < 2 * TEST_SHARE:
        raise WavuError(f"{len(known)} of the {len(ids)} utterances of {layers} are transcribed, too few for a probe")
    say(f"{len(known)} of {len(ids)} utterances are transcribed")
    targets = [true[ids[index]] for index in known]
    phones = sorted({phone for row in targets for phone in row} - {SILENCE})
    with track("probing", len(names), "layers") as advance:
        for row in rows:
            frames = Ragged.join([Ragged(part(shard.frames.flat, names, row["layer"]), shard.frames.offsets) for shard in shards])
            row["per"] = probe(frames.take(known), targets, phones=phones, seed=config["seed"])
            advance(note=f"layer {row['layer']}: PER {row['per']:.3f}")
    return rows


def correlations(rows: list[dict]) -> dict[str, float]:
    """Spearman's rank correlation of each score with the PER; not a number where all layers have the same score."""
    rates = [row["per"] for row in rows]
    measured = {name: [float(row[name]) for row in rows] for name in SCORES}
    return {name: spearmanr(values, rates).statistic if len(set(values)) > 1 else np.nan for name, values in measured.items()}


def summary(rows: list[dict]) -> Table:
    """Everything known of each layer, and the correlations below."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("layer", "PER", *(title for name, title, _ in NUMBERS if name in SCORES)):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["layer"], f"{row['per']:.4f}", *(form.format(float(row[key])) for key, _, form in NUMBERS if key in SCORES)
        )
    table.add_row("rank", "", *(f"{value:+.2f}" for value in correlations(rows).values()), style="bold")
    return table


def main() -> None:
    """Probe, compare, write ``probe.tsv``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", type=Path, help="folder of wavu.choose_layer with keep_frames=true")
    parser.add_argument("references", type=Path, help="TSV: id and phones, or id and text")
    arguments = parser.parse_args()
    try:
        text = finished(arguments.layers, "choose_layer")["config"]["text"]
        rows = probed(arguments.layers, spoken(read_references(arguments.references, Path(text))))
    except WavuError as error:
        raise SystemExit(f"error: {error}") from error
    write_table(arguments.layers / "probe.tsv", rows, ("layer", "per", *SCORES))
    Console(highlight=False).print(summary(rows))


if __name__ == "__main__":
    main()
