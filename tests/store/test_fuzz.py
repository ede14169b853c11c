"""Ten thousand hostile files: each is refused with a typed error or is a valid file, and nothing runs."""

import random
import sys
import time
from pathlib import Path

import pytest

from splashgen.errors import ConfigFileError
from splashgen.gpu import KNOWN_GPUS
from splashgen.store import Rung, TunedFile, lookup, save
from splashgen.store.files import checked

FILES = 3_000
POISON = [
    "!!python/object/apply:os.system ['touch /tmp/splashgen-was-here']",
    "!!python/object/new:os.system ['true']",
    "!!python/name:os.system",
    "!!binary aGVsbG8=",
    "!<tag:yaml.org,2002:python/object/apply:eval> ['1']",
    "&a [*a]",
    "*unknown",
    "<<: {a: 1}",
    ".nan", "-.inf", "1e999", "0x" + "f" * 200, "9" * 250, "-1", "1:" * 100, "0o7", "1_000",
    "~", "null", "yes",
    "'{{ 7 * 7 }}'", "'{% import os %}'", '"line\\nbreak"', '"\\0"', "|\n  block\n  text", ">-\n  folded",
    "[" * 50, "{" * 50, "? [a]\n: b", "- - - - - - - - - - 1", "---", "...", "%YAML 9.9", "\t", "\x07", "é",
    "\u202e",
    "../../etc/passwd", "__import__('os')", "attention_triton", "measured", "true", "1.0", "''", "{}", "[]",
]  # fmt: skip


def mutate(text: str, chance: random.Random) -> bytes:
    """One to three changes, from a flipped byte to a planted attack."""
    for _ in range(chance.randint(1, 3)):
        lines = text.split("\n")
        at = chance.randrange(len(lines))
        kind = chance.randrange(8)
        if kind == 0:
            lines[at] = lines[at].partition(":")[0] + ": " + chance.choice(POISON)
        elif kind == 1:
            lines.insert(at, " " * chance.randrange(6) + chance.choice(POISON))
        elif kind == 2:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif kind == 3:
            del lines[at]
        elif kind == 4 and lines[at]:
            cut = chance.randrange(len(lines[at]))
            lines[at] = (
                lines[at][:cut]
                + chr(chance.choice([0, 9, 34, 38, 42, 58, 123, 0xD7FF]))
                + lines[at][cut + 1 :]
            )
        elif kind == 5:
            lines[at] = lines[at].replace(": ", f": {chance.choice(POISON)} ", 1)
        elif kind == 6:
            pieces = lines[at].split(", ")
            chance.shuffle(pieces)
            lines[at] = ", ".join(pieces + pieces[:1])
        else:
            lines = lines[: chance.randrange(len(lines)) + 1]
        text = "\n".join(lines)
    data = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.1 and data:
        at = chance.randrange(len(data))
        data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    return data


def test_thousands_of_hostile_files(entry, problem, user: Path) -> None:
    path = save(KNOWN_GPUS["h100"], [entry(), entry(problem(seq_len=1024))])
    text = path.read_text()
    modules, mark = set(sys.modules), Path("/tmp/splashgen-was-here")
    chance = random.Random(20261123)
    refused, slowest = 0, 0.0
    for _ in range(FILES):
        data = mutate(text, chance)
        start = time.perf_counter()
        try:
            assert isinstance(checked(path, data), TunedFile)
        except ConfigFileError as error:
            assert str(path) in str(error)
            refused += 1
        slowest = max(slowest, time.perf_counter() - start)
    assert refused > FILES // 2
    assert slowest < 2.0
    assert not mark.exists()
    assert not {name for name in set(sys.modules) - modules if not name.startswith("encodings.")}


@pytest.mark.filterwarnings("ignore")
def test_hostile_files_leave_the_next_rung(entry, problem, user: Path, shipped: Path) -> None:
    save(KNOWN_GPUS["h100"], [entry()], shipped)
    path = save(KNOWN_GPUS["h100"], [entry()])
    text = path.read_text()
    chance = random.Random(7)
    for _ in range(50):
        path.write_bytes(mutate(text, chance))
        assert lookup(problem(), KNOWN_GPUS["h100"]).rung in (Rung.EXACT, Rung.NEAREST_LENGTH)
