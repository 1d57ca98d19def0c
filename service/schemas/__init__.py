"""The shapes of the REST API's requests and answers."""
