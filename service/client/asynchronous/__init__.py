"""The client for asyncio, written by hand; `make client` makes service/client/blocking from it."""
