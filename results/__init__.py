"""Results: department records, their values and findings, entered, verified, undone and never overwritten."""
