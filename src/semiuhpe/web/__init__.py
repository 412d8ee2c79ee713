"""The local web page: a few static files over a small API, served by Python's standard library."""
