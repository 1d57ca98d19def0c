"""Sends what strangers could send; nothing of it may break the server."""
