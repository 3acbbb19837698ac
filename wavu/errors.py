"""The one exception a user should ever read: a mistake that can be mended, told in one line."""


class WavuError(Exception):
    """What is wrong, in which file, the likely cause and the remedy, in one line of the reader's terms."""
