"""A language nobody speaks and a voice to speak it, so that every stage can be tried with the truth known."""
