"""One compile process: reads pickled jobs from stdin, answers on stdout. Started by `CompilePool`."""

import os
import pickle
import sys

from splashgen.errors import KernelError

__all__ = ["main"]


def main() -> None:
    """Answer jobs until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what compilers print must not get between the answers
    jobs = sys.stdin.buffer
    while True:
        try:
            job = pickle.load(jobs)
        except EOFError:
            return
        try:
            answer: object = job.run()
        except Exception as error:
            answer = KernelError(f"{job.config} does not compile for {job.gpu.slug}: {_said(error)}")
        pickle.dump(answer, answers)
        answers.flush()


def _said(error: Exception) -> str:
    """The error with its cause, cut to what fits into a log line."""
    text = f"{type(error).__name__}: {error}"
    if error.__cause__ is not None:
        text += f" ({type(error.__cause__).__name__}: {error.__cause__})"
    return text if len(text) <= 2000 else f"{text[:2000]}…"


if __name__ == "__main__":
    main()
