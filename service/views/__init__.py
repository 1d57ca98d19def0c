"""Turns records into the shapes that the REST API answers with; a module for each of service/schemas."""
