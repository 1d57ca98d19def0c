"""Clients of the REST API, for scripts, notebooks and the command line."""

from service.client.asynchronous.client import AsyncClient
from service.client.blocking.client import Client

__all__ = ["AsyncClient", "Client"]
