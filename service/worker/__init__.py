"""Worker processes: they claim trials from the database and train them."""
