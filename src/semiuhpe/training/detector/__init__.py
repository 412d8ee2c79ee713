"""The training of the head detector."""
