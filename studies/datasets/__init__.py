"""Load bundled, synthetic and users' datasets, split them, and prepare them for training."""
