"""Training of trials: the lane engine, the engine around keras.Model.fit, and all they share."""
