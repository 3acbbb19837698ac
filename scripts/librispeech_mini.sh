#!/usr/bin/env bash
# 5.3 hours of English read by 28 people, and English sentences that none of them reads: a phone recogniser without a transcript.
# With MFCCs, which any machine can compute, expect a bad PER; with the folder of a speech encoder from the Hugging Face hub, a better one.
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: $0 DATA_DIR OUT_DIR [ENCODER_DIR]" >&2
    echo "DATA_DIR holds librispeech-mini/audio, librispeech-mini/references.tsv and text/en-ljspeech.txt" >&2
    exit 2
fi
data=$1
out=$2

# Sizes for two CPU cores. With 41 phones, a trigram costs 15 times as much as a bigram: 70 seconds an iteration. Sentences are three
# times as long as the demo's, and half as many of them make a batch.
gan_train=(decipher.search.order=2 updates=400 batch_size=16)
self_train=(hmm.order=2)

recipe() { # name of the run, then settings of prepare_audio
    local run=$out/$1
    shift
    python -m wavu.prepare_audio audio_dir="$data/librispeech-mini/audio" out_dir="$run/audio" "$@"
    python -m wavu.gan_train audio="$run/audio" text="$out/text" out_dir="$run/gan" "${gan_train[@]}"
    python -m wavu.self_train gan="$run/gan" audio="$run/audio" text="$out/text" out_dir="$run/self_train" "${self_train[@]}"
    python -m wavu.transcribe "$data/librispeech-mini/audio" model="$run/self_train" out="$run/hypotheses.tsv"
    python -m wavu.evaluate hypotheses="$run/hypotheses.tsv" references="$data/librispeech-mini/references.tsv" text="$out/text"
}

python -m wavu.prepare_text text="$data/text/en-ljspeech.txt" language=en-us out_dir="$out/text"
recipe mfcc
if [ $# -eq 3 ]; then
    recipe huggingface encoder="$3"
fi
