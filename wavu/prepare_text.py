"""Sentences in; words, phones, a lexicon and language models out.

    python -m wavu.prepare_text text=sentences.txt language=en-us out_dir=runs/text
    python -m wavu.prepare_text text=sentences.txt.gz language=xal units=char out_dir=runs/text

For "It's 10 o'clock." lexicon.tsv then has the words it's, ten and o'clock, with their phones and how often they occur. Sentences
need not, and should not, be what is said in the recordings. A word that cannot be said, or that holds a very rare phone, is taken
out of its sentence and listed in dropped.tsv with the reason. What espeak said is remembered in the user's cache folder (WAVU_CACHE).
"""

from wavu.command import command
from wavu.settings.text import PrepareText
from wavu.stages.text import prepare_text

main = command("prepare_text", PrepareText, prepare_text, __doc__)

if __name__ == "__main__":
    main()
