"""wavu: a folder of speech and a file of sentences in, a phone recogniser out, with no transcript on the way."""

__version__ = "0.1.0"
