"""Schema versions; database.prepare brings any older database to the newest."""
