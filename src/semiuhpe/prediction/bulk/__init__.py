"""Very many pictures: units of work that any number of workers do, each written whole or not at all."""
