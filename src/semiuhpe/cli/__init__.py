"""The command line: one thin module per command; `main` finds them."""
