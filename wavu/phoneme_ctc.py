"""Recordings of other languages, and what is said in them, in; a model that hears phones out: what zero_shot listens with.

    python -m wavu.phoneme_ctc 'audio={de: german}' 'labels={de: german.tsv}' start_from=facebook/wav2vec2-large-xlsr-53 out_dir=runs/phones
    python -m wavu.phoneme_ctc 'audio={ky: kyrgyz, tr: turkish}' 'labels={ky: ky.tsv, tr: tr.tsv}' start_from=runs/encoder out_dir=runs/phones
    python -m wavu.phoneme_ctc 'audio={de: german}' 'labels={de: german.tsv}' start_from=null out_dir=runs/phones fine_tuning=small

The one part of wavu that learns from labels, so that what is learned without any can be compared with it: their words become
phones, by espeak-ng or a lexicon, and an encoder is fine-tuned with CTC to say them (Xu, Baevski and Auli 2021); its convolutions
stay. start_from=null takes the small conformer of self_train instead, which learns from nothing else: minutes on two cores. Its outputs are the phones of all languages together. about.json names the languages: zero_shot refuses to take the model for
one of them. It stops by the PER of utterances held out, of other speakers where a manifest names these. Killed, the same command
goes on from the last validation. left_out.tsv tells which recordings are of no use, and why.
"""

from wavu.command import command
from wavu.settings.phoneme_ctc import PhonemeCtc
from wavu.stages.phoneme_ctc import phoneme_ctc

main = command("phoneme_ctc", PhonemeCtc, phoneme_ctc, __doc__)

if __name__ == "__main__":
    main()
