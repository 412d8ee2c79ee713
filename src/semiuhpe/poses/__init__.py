"""The poses of the heads of one picture: a value, its error bars, and the forms it is exchanged in."""
