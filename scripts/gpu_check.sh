#!/usr/bin/env bash
# What a GPU has to show, in pieces of ten minutes: each call does the next piece and what was cut goes on where it stopped.
#   bash scripts/gpu_check.sh DATA_DIR ENCODER_DIR OUT_DIR [PIECE] [SIZE]
# PIECE: tests, bench, prepare, features, found, cold, warm; without one, all in this order. SIZE: full, or toy, which shows on a CPU that all runs.
# DATA_DIR/librispeech-mini/audio are the recordings, DATA_DIR/text/en-ljspeech-unpaired.txt is the text.
set -euo pipefail

if [ $# -lt 3 ]; then
    sed -n 2,5p "$0" >&2
    exit 2
fi
data=$1 encoder=$2 out=$3 pieces=${4:-tests bench prepare features found cold warm} size=${5:-full}
mkdir -p "$out"
both=(audio="$out/audio" text="$out/text")
toy=() toy_cold=() toy_student=()
if [ "$size" = toy ]; then
    toy=(updates=4 validation.every=2 members=2 discriminator.channels=8 batch_size=4)
    toy_cold=("${toy[@]}" sweep=none)
    toy_student=(student.training.updates=4 gaussians.turns=1)
fi

piece() { # name, then the command; cut after ten minutes it is not lost, where the command itself goes on
    local name=$1
    shift
    echo "== $name: $*"
    timeout --signal=TERM 570 "$@" 2>&1 | tee -a "$out/$name.log"
}

for name in $pieces; do
    case $name in
        tests) piece tests python -m pytest -m gpu ;;
        bench) piece bench python scripts/bench_gan.py $([ "$size" = toy ] && echo --quick) ;;
        prepare) piece prepare python scripts/bench_prepare.py $([ "$size" = toy ] && echo --quick) ;;
        features)
            piece features python -m wavu.prepare_audio audio_dir="$data/librispeech-mini/audio" encoder="$encoder" segment=change out_dir="$out/audio"
            piece features python -m wavu.prepare_text text="$data/text/en-ljspeech-unpaired.txt" language=en-us out_dir="$out/text"
            ;;
        # segments and words of people, which the warm members start from
        found)
            piece found python -m wavu.decipher_segments "${both[@]}" out_dir="$out/found"
            piece found python -m wavu.self_train "${both[@]}" gan="$out/found" out_dir="$out/model" student=head "${toy_student[@]}"
            ;;
        # wav2vec-U 1.0 from nothing, its grid of 60 side by side
        cold) piece cold python -m wavu.gan_train "${both[@]}" recipe=wav2vec_u sweep=original_grid out_dir="$out/cold" "${toy_cold[@]}" ;;
        warm) piece warm python -m wavu.gan_train "${both[@]}" self_trained="$out/model" out_dir="$out/warm" "${toy[@]}" ;;
        *)
            echo "unknown piece $name; known: tests bench prepare features found cold warm" >&2
            exit 2
            ;;
    esac
done
