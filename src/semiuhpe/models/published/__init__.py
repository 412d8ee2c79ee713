"""Weights that others published, read into networks of ours."""
