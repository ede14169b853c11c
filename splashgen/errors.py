"""The errors that splashgen raises on purpose, each a sentence that says what to do."""

__all__ = ["ConfigFileError", "KernelError", "NoTunedConfigError", "SplashgenError"]


class SplashgenError(Exception):
    """Base of every error that is not a plain `ValueError` or `TypeError`."""


class ConfigFileError(SplashgenError):
    """A file of tuned configs could not be read, or says something its schema does not allow."""


class KernelError(SplashgenError):
    """A kernel could not be rendered, loaded or run with the given config."""


class NoTunedConfigError(SplashgenError):
    """No config answers the problem, and the caller asked not to fall back."""
