"""The training of the pose network, supervised and semi-supervised."""
