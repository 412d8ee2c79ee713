"""Anything that comes in time: files, cameras and network streams, read and written."""
