"""Decipherment: what each phone sounds like, from the statistics of speech and of text that was never read aloud."""
