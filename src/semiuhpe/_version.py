"""The version of this package: the one place where it is written. pyproject.toml and releases read it from here."""

__version__ = "0.1.0"
