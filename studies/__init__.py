"""The domain: studies of regularization. Knows Optuna, Keras, numpy and scikit-learn; never the service around it."""
