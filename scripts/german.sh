#!/usr/bin/env bash
# 1.2 hours of German read by one person, and German sentences that she does not read: a phone recogniser without a transcript.
# The 474 sentences of DATA_DIR are enough to try the path, too few for a good language model: give a larger text, one sentence a line.
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: $0 DATA_DIR OUT_DIR [TEXT]" >&2
    echo "DATA_DIR holds kerstin-de/audio, kerstin-de/references.tsv and text/de-kerstin.txt" >&2
    exit 2
fi
speech=$1/kerstin-de
text=${3:-$1/text/de-kerstin.txt}
out=$2

# A bigram instead of the trigram: 474 sentences hold few trigrams of 44 phones, and it costs a fifteenth.
gan_train=(decipher.search.order=2)
self_train=(hmm.order=2)

python -m wavu.prepare_audio audio_dir="$speech/audio" out_dir="$out/audio"
python -m wavu.prepare_text text="$text" language=de out_dir="$out/text"
python -m wavu.gan_train audio="$out/audio" text="$out/text" out_dir="$out/gan" "${gan_train[@]}"
python -m wavu.self_train gan="$out/gan" audio="$out/audio" text="$out/text" out_dir="$out/self_train" "${self_train[@]}"
python -m wavu.transcribe "$speech/audio" model="$out/self_train" out="$out/hypotheses.tsv"
python -m wavu.evaluate hypotheses="$out/hypotheses.tsv" references="$speech/references.tsv" text="$out/text"
