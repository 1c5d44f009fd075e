"""The demo: one command carries knowledge from a real teacher to a real student through a real broker."""
