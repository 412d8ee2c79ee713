"""Files that nobody vouches for, as upright RGB arrays, within limits of bytes, pixels and time."""
