"""The working calendar: which days are holidays, and which weekend days are worked instead."""
