"""What is wrong with a model's config."""


class ConfigError(ValueError):
    """A config that is not taken; the message names the layer, and says what would be right."""
