"""What YAML can do to a reader is refused before it does it, and in no time."""

import time

import pytest

from splashgen.store.strict_yaml import MAX_BYTES, parse

BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "anchor"),
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("!!python/name:os.system", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: 1\na: 2", "repeats the key 'a'"),
        ("{a: 1, a: 2}", "repeats the key 'a'"),
        ("1: 2", "key that is not text"),
        ("[1]: 2", "key that is not text"),
        ("a: {<<: {b: 1}}", "key that is not text"),
        ("a: .inf", "not finite"),
        ("a: null", "NoneType"),
        ("a: 2026-11-23", "date"),
        ("a: 2026-99-99", "month"),
        ("[" * 100_000, "nested deeper"),
        ("a: " * 3, "not valid YAML"),
        ("- " * 100_000, "nested deeper"),
        ("a: " + "9" * 5_000, "longer than"),
        ("a: " + "1:" * 1_000_000 + "1", "longer than"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("x" * (MAX_BYTES + 1), "bytes long"),
        ("- a\n" * 500_000, "nodes"),
        ("a: \x00", "not valid YAML"),
    ],
)
def test_refused_quickly(text: str, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match=message):
        parse(text.encode())
    assert time.perf_counter() - start < 10


def test_not_utf8() -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        parse(b"\xff\xfe\x00")


def test_plain_values_pass() -> None:
    assert parse(b"a: {b: 1, c: 0.5, d: true, e: '1.5'}\nf: [x]") == {
        "a": {"b": 1, "c": 0.5, "d": True, "e": "1.5"},
        "f": ["x"],
    }
