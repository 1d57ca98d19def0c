"""The groups of commands of `regsweep`, and what all commands share."""
