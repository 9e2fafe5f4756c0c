"""Medical knowledge as data: flags, formulas and conclusions."""
