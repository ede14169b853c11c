"""Which Transformers is here, and a sentence where there is none or one too old."""

import importlib.metadata

__all__ = ["OLDEST", "require"]

OLDEST = (4, 57)


def require() -> None:
    """Refuse to go on without a Transformers that has the attention and mask interfaces.

    Raises
    ------
    ImportError
        With the command that installs one.
    """
    try:
        version = importlib.metadata.version("transformers")
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            "splashgen.integrations.transformers needs Transformers, which is not installed; "
            "`pip install 'splashgen-kernels[transformers]'` brings it."
        ) from None
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise ImportError(
            f"splashgen.integrations.transformers needs Transformers {OLDEST[0]}.{OLDEST[1]} or newer, but "
            f"{version} is installed; `pip install -U transformers` brings a newer one."
        )
