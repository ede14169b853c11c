"""`Spans`: seconds by what they went to, each second counted once, over the threads of a process."""

import contextlib
import functools
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Spans"]

_PERIOD_S = 0.004
_FRAMES = 3


@dataclass(slots=True)
class _Open:
    """A span that has not ended."""

    began: float
    inner_s: float = 0.0
    """What spans within it took, which is theirs."""


@dataclass
class Spans:
    """Wrap functions, run what calls them, and read off where the time went.

    A span's seconds are its own: those of spans within it are not counted again. Threads whose name begins
    with `beside` work at the same time as the others, and their spans are kept apart, marked «beside».

    Examples
    --------
    >>> import time
    >>> spans = Spans()
    >>> with spans.span("all"), spans.span("nap"):
    ...     time.sleep(0.01)
    >>> [name for name, seconds, count in spans.take()]
    ['nap', 'all']
    """

    beside: str = "splashgen"
    _found: dict[str, list[float]] = field(default_factory=dict)
    _open: dict[int, list[_Open]] = field(default_factory=dict)
    _elsewhere: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def span(self, name: str | Callable[[], str]) -> Iterator[None]:
        """Count what the block takes to `name`, which may be found out at its end."""
        stack = self._open.setdefault(threading.get_ident(), [])
        stack.append(_Open(time.perf_counter()))
        try:
            yield
        finally:
            done = stack.pop()
            took = time.perf_counter() - done.began
            if stack:
                stack[-1].inner_s += took
            self._add(name if isinstance(name, str) else name(), took - done.inner_s)

    def wrap(self, owner: Any, attribute: str, name: str | Callable[..., str]) -> None:
        """Replace a function by one that is a span; where there is no such function, do nothing.

        Parameters
        ----------
        owner : module or class
            What has the function.
        attribute : str
            Its name there.
        name : str or callable
            The span's name, or what makes it from the call's arguments after the call.
        """
        whole = getattr(owner, attribute, None)
        if whole is None:
            return

        def spanned(*args: Any, **kwargs: Any) -> Any:
            with self.span(name if isinstance(name, str) else functools.partial(name, *args, **kwargs)):
                return whole(*args, **kwargs)

        setattr(owner, attribute, spanned)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Within the context, what no span covers is sampled: `elsewhere` has its innermost frames."""
        stop = threading.Event()
        idle = {thread.ident for thread in threading.enumerate()} - {threading.main_thread().ident}

        def watch() -> None:
            while not stop.wait(_PERIOD_S):
                beside = {each.ident for each in threading.enumerate() if each.name.startswith(self.beside)}
                for ident, frame in sys._current_frames().items():
                    if ident not in idle | beside and not self._open.get(ident):
                        self._elsewhere[_place(frame)] += 1

        watcher = threading.Thread(target=watch, name=f"{self.beside}-watcher", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()

    def take(self) -> list[tuple[str, float, int]]:
        """(name, seconds, how often) in the order in which spans first ended; then begin anew."""
        with self._lock:
            found, self._found = self._found, {}
        return [(name, round(seconds, 4), int(count)) for name, (seconds, count) in found.items()]

    def elsewhere(self, most: int = 6) -> list[tuple[str, float]]:
        """(innermost frames, about how many seconds) outside all spans, longest first; then begin anew."""
        found, self._elsewhere = self._elsewhere, Counter()
        return [(place, round(count * _PERIOD_S, 3)) for place, count in found.most_common(most)]

    def _add(self, name: str, seconds: float) -> None:
        if threading.current_thread().name.startswith(self.beside):
            name = f"{name} (beside)"
        with self._lock:
            entry = self._found.setdefault(name, [0.0, 0])
            entry[0] += seconds
            entry[1] += 1


def _place(frame: Any) -> str:
    """`autograd/__init__.py:128 _make_grads < ...`, the innermost frame first."""
    parts: list[str] = []
    while frame is not None and len(parts) < _FRAMES:
        path = Path(frame.f_code.co_filename)
        parts.append(f"{'/'.join(path.parts[-2:])}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(parts)
