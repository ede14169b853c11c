"""Thirty-two processes write one file, some are killed at random moments, and readers look on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from splashgen.store import load

WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import H100, make_entry, make_problem
from splashgen.store import save

number = int(sys.argv[2])
for length in range(3):
    problem = make_problem(seq_len=1 << length, head_dim=number + 1, value_dim=16)
    save(H100, [make_entry(problem, trials=number, code_hash="0" * 16)])
    print(length, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_no_entry_is_torn_or_lost(user: Path) -> None:
    chance = random.Random(1)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(Path(__file__).parent), str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(32)
    ]
    condemned = set(chance.sample(range(32), 10))
    path = user / "h100.yaml"
    reads = 0
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            load(path)
            reads += 1
            for number in sorted(condemned):
                if chance.random() < 0.1:
                    writers[number].send_signal(signal.SIGKILL)
                    condemned.discard(number)
        time.sleep(0.02)
    saved = {(one.problem.head_dim - 1, one.problem.seq_len) for one in load(path).entries}
    for number, writer in enumerate(writers):
        reported = [int(line) for line in writer.communicate()[0].split()]
        assert writer.returncode in (0, -signal.SIGKILL)
        assert writer.returncode != 0 or len(reported) == 3
        for length in reported:
            assert (number, 1 << length) in saved
    assert reads > 5
    assert not list(user.glob("*.corrupt-*"))
