#!/usr/bin/env bash
# The zero-shot rival, both ways: an encoder is taught phones by labels of German (one reader, 1.2 hours) and hears English (28
# readers, 5.3 hours), then the other way round, each scored against the references on which the unsupervised recogniser is.
# With hypotheses of that (id, phones; as scripts/real_speech.py leaves them), the two are compared.
# ARGUMENTS of phoneme_ctc follow. On two cores without an encoder: ENCODER_DIR null, ARGUMENTS fine_tuning=small.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: [ENGLISH=hypotheses.tsv] [GERMAN=hypotheses.tsv] $0 DATA_DIR OUT_DIR ENCODER_DIR [ARGUMENTS]" >&2
    echo "DATA_DIR holds kerstin-de/, librispeech-mini/ (audio/ and references.tsv of each), text/de-kerstin.txt and text/en-ljspeech.txt" >&2
    exit 2
fi
data=$1
out=$2
encoder=$3
shift 3

rival() { # language and folder of what teaches, of what is heard, unsupervised hypotheses of that if there are any, then settings of phoneme_ctc
    local teacher=$1 taught=$data/$2 language=$3 heard=$data/$4 ours=$5 run=$out/$1-to-$3
    shift 5
    python -m wavu.phoneme_ctc "audio={$teacher: '$taught/audio'}" "labels={$teacher: '$taught/references.tsv'}" \
        start_from="$encoder" out_dir="$out/$teacher" "$@"
    python -m wavu.zero_shot "$heard/audio" model="$out/$teacher" text="$out/text-$language" out="$run/hypotheses.tsv"
    python -m wavu.evaluate hypotheses="$run/hypotheses.tsv" references="$heard/references.tsv" text="$out/text-$language" \
        out="$run/scores.json" ${ours:+baseline="$ours"}
}

python -m wavu.prepare_text text="$data/text/en-ljspeech.txt" language=en-us out_dir="$out/text-en-us"
python -m wavu.prepare_text text="$data/text/de-kerstin.txt" language=de out_dir="$out/text-de"
rival de kerstin-de en-us librispeech-mini "${ENGLISH:-}" "$@"
rival en-us librispeech-mini de kerstin-de "${GERMAN:-}" "$@"
