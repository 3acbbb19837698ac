"""How well what was found fits what is true. Pure functions: nothing here opens a file."""
