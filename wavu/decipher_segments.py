"""Segments of recorded speech and unpaired text in; a phone for each segment out, without one transcript.

    python -m wavu.decipher_segments audio=runs/audio text=runs/text out_dir=runs/found
    python -m wavu.decipher_segments audio=runs/audio text=runs/text out_dir=runs/found voice=sw   # read by the voice of a neighbour
    python -m wavu.decipher_segments audio=runs/audio text=runs/text out_dir=runs/found voice=none # nothing but the text's statistics

This is the start for recordings of people; wavu.prepare_audio with a real encoder and segment=change, and wavu.prepare_text, come
first, wavu.self_train gan=runs/found comes next. Where espeak-ng has a voice that reads the text, it reads some sentences, and what
phones sound like is learned from them: no person's speech was labelled, but somebody who wrote the voice knew how the language
sounds. Without a voice, clusters of segments are named by counts alone, which needs hours of speech and does not always succeed.
"""

from wavu.command import command
from wavu.settings.segments import DecipherSegments
from wavu.stages.segments import decipher_segments

main = command("decipher_segments", DecipherSegments, decipher_segments, __doc__)

if __name__ == "__main__":
    main()
