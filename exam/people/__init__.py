"""People: who is examined, and the documents that prove it."""
