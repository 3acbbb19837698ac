#!/usr/bin/env bash
# A speech encoder of 11 million weights from 5.3 hours of English without a word of text, in about 25 minutes of one large GPU;
# then what its layers know, and unsupervised recognition with it. In pieces: give the seconds that a piece may take, and the same
# command again until it says that all is done. What is finished is skipped, and pre-training goes on from its last checkpoint.
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 4 ]; then
    echo "usage: $0 DATA_DIR OUT_DIR [SECONDS [OBJECTIVE]]" >&2
    echo "DATA_DIR holds librispeech-mini/audio, librispeech-mini/references.tsv and text/en-ljspeech.txt; OBJECTIVE is wav2vec2 or hubert" >&2
    exit 2
fi
data=$1
out=$2
seconds=${3:-100000}
objective=${4:-wav2vec2}
here=$(dirname "$0")
encoder=$out/$objective

# SIGTERM, not SIGKILL: then no update is lost.
timeout --signal=TERM "$seconds" python -m wavu.pretrain audio="$data/librispeech-mini/audio" out_dir="$encoder" pretrain=small \
    objective="$objective" || {
    status=$?
    [ -f "$encoder/stage.json" ] || { echo "pre-training is not finished: run the same command again" >&2; exit "$status"; }
}

python -m wavu.prepare_text text="$data/text/en-ljspeech.txt" language=en-us out_dir="$out/text"
python -m wavu.choose_layer encoder="$encoder" audio_dir="$data/librispeech-mini/audio" text="$out/text" \
    out_dir="$out/layers_$objective" keep_frames=true
python "$here/probe_layers.py" "$out/layers_$objective" "$data/librispeech-mini/references.tsv"
python "$here/real_speech.py" "$data" "$out/recognition_$objective" librispeech-mini --encoder="$encoder" --seeds=0
