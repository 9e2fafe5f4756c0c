"""The kit: everything that has no exam-centre word in it."""
