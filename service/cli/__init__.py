"""The command `regsweep`: its commands, and how they show studies in a terminal."""
