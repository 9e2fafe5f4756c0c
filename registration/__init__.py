"""Registration: booking, check-in, the guide sheet, tubes and what the desk prints."""
