"""What is kept: studies and trials in a database, models as artifacts."""
