"""Sentences to words, words to phones, phones to language models; arrays and strings in, arrays and strings out."""
