"""Group orders: employers, their contracts and rounds, cohorts, rosters and the members who come."""
