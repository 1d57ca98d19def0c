"""Read a user's Keras model from the JSON of `model.to_json()`, without Keras."""
