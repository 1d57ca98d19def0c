"""Training one trial: the Keras engine, early stopping, and what is measured."""
