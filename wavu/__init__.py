"""wavu: a folder of speech and a file of sentences in, a phone recogniser out, with no transcript on the way."""

import os

__version__ = "0.1.0"

# Threads of torch that wait for each other spin, by default so long that a busy machine makes small steps twenty times
# slower. This many turns cost nothing on an idle one. Read when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
