"""Compares techniques, selects features, draws figures and writes the report."""
