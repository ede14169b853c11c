"""Compilers' answers are kept on disk, errors are not."""

from concurrent.futures import Future

import pytest

from splashgen.compile.pool import NotStartedError
from splashgen.errors import KernelError
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.plan.compiled import Compiled
from splashgen.problem import DType
from splashgen.tune.presets import attention, entmax

A100 = KNOWN_GPUS["a100"]
PROBLEM = attention(DType.BFLOAT16, 64, 1024)
DEFAULT = family_for(PROBLEM, A100).default(PROBLEM, A100)


class Pool:
    """Compiles whatever it is asked to, or fails."""

    def __init__(self, make, error: Exception | None = None) -> None:
        self.make, self.error, self.jobs = make, error, []

    def submit(self, job):
        self.jobs.append(job)
        future: Future = Future()
        if self.error:
            future.set_exception(self.error)
        else:
            future.set_result(self.make(job.config))
        return future


def test_an_answer_is_kept(tmp_path, attention_kernels) -> None:
    pool = Pool(attention_kernels)
    first = Compiled(pool, tmp_path).ask(PROBLEM, DEFAULT, A100).result()
    assert pool.jobs[0].counted
    again = Compiled(pool, tmp_path)
    assert again.ask(PROBLEM, DEFAULT, A100).result() == first == attention_kernels(DEFAULT)
    assert again.compiled == 0 and len(pool.jobs) == 1


def test_attention_is_compiled_once_for_all_lengths_and_every_chip_apart(tmp_path, attention_kernels) -> None:
    pool = Pool(attention_kernels)
    compiled = Compiled(pool, tmp_path)
    for gpu, length in (("a100", 1024), ("a100", 4096), ("h100", 1024), ("h200", 1024)):
        compiled.ask(attention(DType.BFLOAT16, 64, length), DEFAULT, KNOWN_GPUS[gpu]).result()
    assert [job.gpu.slug for job in pool.jobs] == ["a100", "h100"], "H100 and H200 are of one architecture"


def test_entmax_is_compiled_for_each_length(tmp_path, attention_kernels) -> None:
    pool = Pool(lambda config: attention_kernels(DEFAULT))
    compiled = Compiled(pool, tmp_path)
    for length in (1024, 2048):
        problem = entmax(DType.BFLOAT16, length)
        compiled.ask(problem, family_for(problem, A100).default(problem, A100), A100).result()
    assert len(pool.jobs) == 2


def test_errors_and_torn_files_are_compiled_again(tmp_path, attention_kernels) -> None:
    failing = Pool(attention_kernels, KernelError("It does not compile."))
    assert isinstance(Compiled(failing, tmp_path).ask(PROBLEM, DEFAULT, A100).result(), KernelError)
    pool = Pool(attention_kernels)
    Compiled(pool, tmp_path).ask(PROBLEM, DEFAULT, A100).result()
    (path,) = tmp_path.glob("*.json")
    path.write_text(path.read_text()[:50])
    Compiled(pool, tmp_path).ask(PROBLEM, DEFAULT, A100).result()
    assert len(pool.jobs) == 2


def test_a_fault_of_the_pool_is_not_taken_for_the_compiler_s(tmp_path, attention_kernels) -> None:
    for fault in (OSError("no more processes"), NotStartedError("no more processes")):
        broken = Pool(attention_kernels, fault)
        with pytest.raises(type(fault), match="no more processes"):
            Compiled(broken, tmp_path).ask(PROBLEM, DEFAULT, A100).result()


def test_a_failed_write_leaves_nothing(tmp_path, attention_kernels, monkeypatch) -> None:
    def full(*paths: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full)
    compiled = Compiled(Pool(attention_kernels), tmp_path)
    assert compiled.ask(PROBLEM, DEFAULT, A100).result() == attention_kernels(DEFAULT)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_costs_time_and_nothing_else(tmp_path, attention_kernels) -> None:
    (tmp_path / "file").write_text("")
    compiled = Compiled(Pool(attention_kernels), tmp_path / "file")
    assert compiled.ask(PROBLEM, DEFAULT, A100).result() == attention_kernels(DEFAULT)
