"""What a user may set: the type and range of every setting of every command, checked before any work.

A class for each block of a YAML in ``configs/``. The YAML holds what a user chooses, with its value; what hardly anybody
changes has its value and its reason here, is shown by ``--help`` below the rest, and is given in the same way.
"""
