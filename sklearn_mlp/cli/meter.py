"""What a long command is doing, and how long it will take: one line on the standard error.

On a terminal the line is overwritten in place, twice a second. Elsewhere there is a plain line
after a second, and then every ten seconds. A thread writes it, so that it comes whatever the
command is waiting for.

The time left is that of the work left at the pace so far. Of the first step nobody knows the pace:
the guess is that it takes as long again as it has taken, which is right on average for work of
unknown length, but two seconds at least.
"""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Self, TextIO

from ..progress import duration, listening

FIRST_LINE = 1.0
"""Seconds until the first line, where it cannot be overwritten. Shorter commands print none."""

LINES = 10.0
"""Seconds between such lines."""

REDRAWN = 0.5
"""Seconds between drawings of a line that is overwritten."""

BAR = 16
"""The length of the bar, in characters."""

SHORTEST = 2.0
"""Seconds that a step of unknown length takes at least, as a guess. Otherwise the bar would be
full at its beginning."""


def say_no_more() -> None:
    """Drop what is printed, after the program that reads it has ended."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclass
class Step:
    """A part of the work.

    Attributes
    ----------
    text : str
    cost, later : float
        What the step costs, and all steps after it, in the same unit.
    began : float
        When.
    done : float
        The share that is done, if it is known, and otherwise 0.
    detail : str
    """

    text: str
    cost: float
    later: float
    began: float
    done: float = 0.0
    detail: str = ""
    read: str = ""


class Meter:
    """Shows what the command is doing. Use it in a ``with`` statement.

    Parameters
    ----------
    stream : TextIO, optional
        By default the standard error.

    Attributes
    ----------
    is_needed : bool
        Whether the work goes on if nobody reads the results, because it also writes a file.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._in_place = self._stream.isatty()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._began = monotonic()
        self._step: Step | None = None
        self._pace: float | None = None
        self._is_drawn = False
        self.is_needed = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Show nothing more."""
        self._ended.set()
        self._thread.join()
        self.clear()

    def begin(self, text: str, cost: float = 0.0, later: float = 0.0) -> None:
        """A step begins, and the one before has ended.

        Parameters
        ----------
        text : str
            What is done in it.
        cost, later : float
            What the step costs, and all steps after it, in any unit. 0 where that is not known.
        """
        now = monotonic()
        with self._lock:
            if (before := self._step) is not None and before.cost:
                self._pace = (now - before.began) / before.cost
            self._step = Step(text, cost, later, now)
        if self._in_place:
            self._draw()

    def tell(self, done: float = 0.0, detail: str = "") -> None:
        """What share of the step is done, and what else there is to say."""
        with self._lock:
            if self._step is not None:
                self._step.done, self._step.detail = done, detail

    def say(self, line: str = "") -> None:
        """Print a line of the results."""
        with self._lock:
            self.clear()
            try:
                print(line, flush=True)
            except BrokenPipeError:
                if not self.is_needed:
                    raise
                say_no_more()

    def clear(self) -> None:
        """Take the line off the terminal."""
        with self._lock:
            if self._is_drawn:
                self._stream.write("\r\x1b[K")
                self._stream.flush()
                self._is_drawn = False

    @contextmanager
    def training(self, keep: Callable[[float], object] = float) -> Iterator[None]:
        """A context in which the iterations of fits are told, and their losses may be kept."""
        n = 0

        def tell(monitor: Any) -> None:
            nonlocal n
            n += 1
            keep(monitor.loss_curve[-1])
            network = monitor.network
            units = " + ".join(map(str, network.layer_sizes[1:-1])) if network else ""
            self.tell(detail=f"iteration {n:,}" + (f"  {units} units" if units else ""))

        with listening(tell):
            yield

    def reading_blocks(self) -> Any:
        """A context in which one pass over the blocks that Dask reads is told."""
        return _blocks_read(lambda n_passes, share: self.tell(share))

    def passes(self) -> Any:
        """A context in which many passes over the blocks are told."""

        def tell(n_passes: int, share: float) -> None:
            with self._lock:
                if self._step is not None:
                    self._step.read = f"pass {n_passes}: {share:.0%}"

        return _blocks_read(tell)

    # Drawing ------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Draw the line until the end."""
        pause = REDRAWN if self._in_place else FIRST_LINE
        while not self._ended.wait(pause):
            self._draw()
            pause = REDRAWN if self._in_place else LINES

    def _draw(self) -> None:
        with self._lock:
            if self._step is None or self._ended.is_set():
                return
            if self._in_place:
                line = self._line(self._step, shutil.get_terminal_size().columns - 1)
                self._stream.write(f"\r{line}\x1b[K")
                self._is_drawn = True
            else:
                self._stream.write(f"{self._line(self._step)}\n")
            self._stream.flush()

    def _line(self, step: Step, width: int | None = None) -> str:
        """The step, a bar, the time left, and as much of the detail as there is room for."""
        so_far, left = monotonic() - self._began, self._left(step)
        filled = round(BAR * so_far / (so_far + left)) if so_far + left > 0 else 0
        bar = "#" * min(filled, BAR - 1) + "." * (BAR - min(filled, BAR - 1))
        about = "" if left < 1 else "about "
        left_text = f"{about}{duration(left)} left"
        parts = [f"{step.text:<23}", f"[{bar}]", left_text, *step.detail.split("  "), step.read]
        parts = [part for part in parts if part]
        while width is not None and len(parts) > 1 and len("  ".join(parts)) > width:
            parts.pop()  # half a number would be another number
        return "  ".join(parts)[:width]

    def _left(self, step: Step) -> float:
        """The seconds that are left."""
        so_far = monotonic() - step.began
        if step.done:
            of_step = so_far * (1 - step.done) / step.done
        elif self._pace is not None and step.cost:
            of_step = max(self._pace * step.cost - so_far, 0.1 * so_far)
        else:
            of_step = max(so_far, SHORTEST - so_far)
        pace = (so_far + of_step) / step.cost if step.cost else 0.0
        return of_step + step.later * (self._pace if self._pace is not None else pace)


def _blocks_read(tell: Callable[[int, float], None]) -> Any:
    """A context in which Dask tells its passes over the blocks, and the share of each."""
    from dask.callbacks import Callback

    class Blocks(Callback):
        n_passes = 0

        def _start_state(self, dsk: Any, state: Any) -> None:
            self.n_passes += 1
            self.n, self.done = max(1, len(state["ready"]) + len(state["waiting"])), 0

        def _posttask(self, *task: Any) -> None:
            self.done += 1
            tell(self.n_passes, min(1.0, self.done / self.n))

    return Blocks()
