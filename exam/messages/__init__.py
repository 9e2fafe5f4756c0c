"""Messages to people: SMS with a delivery state that only evidence moves, notices inside the system, and consent."""
