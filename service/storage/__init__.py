"""The database and the artifacts: studies and trials in the one, models in the other."""
