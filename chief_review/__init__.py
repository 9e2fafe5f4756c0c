"""Chief review (总检): conclusions and advice, two signatures by two doctors, release and return."""
