"""Poses of the heads in very many pictures, on an engine that spreads the work over machines."""
