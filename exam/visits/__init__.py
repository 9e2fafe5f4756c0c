"""Visits: one person's exam, its order lines, its milestones and its tubes."""
