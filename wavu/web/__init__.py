"""A recogniser behind a web page: what may come in, what goes out, and the page itself."""
