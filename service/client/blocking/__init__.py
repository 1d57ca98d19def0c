"""The client without asyncio, made from service/client/asynchronous by `make client`; do not edit it here."""
