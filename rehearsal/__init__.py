"""The rehearsal: a simulated day of the centre, for demonstrations, training and load."""
