"""The architecture of a user's Keras model, read from what `to_json()` gives without Keras."""
