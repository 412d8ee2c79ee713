"""Poses drawn on pictures: pure functions from an image and poses to a new image."""
