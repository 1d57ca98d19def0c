"""Keras architectures: written once as data, then built by the worker or shown to the user as code."""
