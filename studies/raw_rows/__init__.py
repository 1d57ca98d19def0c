"""One Keras model that takes raw rows: the preprocessing of an export as layers before its model."""
