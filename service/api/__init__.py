"""The HTTP server: the app, the guards before its routes, and the routes."""
