"""The error of a model's config."""


class ConfigError(ValueError):
    """A config that is refused; the message names the layer, and says what would be right."""
