"""Heads in time: which head of a frame is which of the one before, smoothed, with a detector that need not look at every frame."""
