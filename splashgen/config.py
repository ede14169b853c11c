"""`Config`: how it is computed. A family's name and one value for each parameter of its space."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Config", "Value"]

Value = int | float | str | bool


@dataclass(frozen=True, slots=True)
class Config:
    """A point of a family's search space; hashable, ordered by parameter name.

    >>> config = Config.of("attention_triton", {"block_n": 64, "block_m": 128})
    >>> config["block_m"], str(config)
    (128, 'attention_triton(block_m=128, block_n=64)')
    """

    family: str
    items: tuple[tuple[str, Value], ...]

    @classmethod
    def of(cls, family: str, values: Mapping[str, Value]) -> "Config":
        """A config from a plain mapping."""
        return cls(family, tuple(sorted(values.items())))

    def __getitem__(self, name: str) -> Value:
        for key, value in self.items:
            if key == name:
                return value
        raise KeyError(name)

    def number(self, name: str) -> float:
        """The value of a parameter that is a number."""
        value = self[name]
        if isinstance(value, str):
            raise TypeError(f"{name} of {self.family} is {value!r}, not a number.")
        return value

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self.items)

    def as_dict(self) -> dict[str, Value]:
        """The parameters as a plain mapping."""
        return dict(self.items)

    def replace(self, **changes: Value) -> "Config":
        """The same config with some parameters changed."""
        return Config.of(self.family, {**self.as_dict(), **changes})

    def __str__(self) -> str:
        return f"{self.family}({', '.join(f'{key}={value}' for key, value in self.items)})"
