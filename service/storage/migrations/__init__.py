"""Schema versions; schema.prepare brings any older database to the newest."""
