"""The validated description of a study, a module for each of its parts."""
