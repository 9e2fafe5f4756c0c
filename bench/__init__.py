"""The bench: the hot paths against their peers, the tail under load, growth, and a restart after a kill."""
