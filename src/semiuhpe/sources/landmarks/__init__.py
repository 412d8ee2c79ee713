"""Poses and boxes from the 68 landmarks of a face."""
