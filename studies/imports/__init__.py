"""Imports another program's search: makes a study of it, and says what was left out."""
