"""Print the progress of a fit: a line for each iteration at first, then fewer and fewer.

Whoever calls a fit can listen to its iterations: see :func:`listening`.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any

from ._typing import FloatArray

EVIDENCE = "log evidence/row"

_listener: ContextVar[Callable[[Any], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Callable[[Any], None]) -> Iterator[None]:
    """A context in which all fits tell the listener of each iteration, with their monitor."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_listener(monitor: Any) -> None:
    """Tell the listener, if there is one, of an iteration."""
    if (listener := _listener.get()) is not None:
        listener(monitor)


class Progress:
    """Prints the progress of an attempt.

    Parameters
    ----------
    rmse : callable, optional
        Maps weights and loss to the printed RMSE, in the units of y.
    score_name : str, default="R²"
        The printed name of the validation score.
    heading : str, default=""
        What is printed before the table.
    """

    def __init__(
        self,
        *,
        rmse: Callable[[FloatArray, float], float] | None = None,
        score_name: str = "R²",
        heading: str = "",
    ) -> None:
        self._rmse, self._score_name = rmse, score_name
        self._table = _Table()
        self._heading = heading
        self._begin()

    def _begin(self) -> None:
        self._clock = deque([perf_counter()], maxlen=12)
        self._unprinted: FloatArray | None = None

    def fork(self, heading: str) -> "Progress":
        """The progress of one of several attempts, in the same table under its own heading."""
        attempt = Progress(rmse=self._rmse, score_name=self._score_name)
        attempt._table = self._table
        attempt._heading = f"{self._heading}, {heading}" if self._heading else heading
        return attempt

    def tell(self, monitor: Any, w: FloatArray) -> None:
        """Print a line for an iteration that ended with these weights, if it is due for one."""
        self._clock.append(perf_counter())
        if _worth_a_line(len(monitor.loss_curve)):
            self._print(monitor, w)
        else:
            self._unprinted = w.copy()

    def close(self, monitor: Any) -> None:
        """Print the last iteration if it is not printed yet."""
        if self._unprinted is not None and monitor.max_iter != 1:
            self._print(monitor, self._unprinted, last=True)

    def tell_that_it_is_best(self) -> None:
        """Print that this attempt is the best of several."""
        print(f"\nbest: {self._heading}", flush=True)

    def _print(self, monitor: Any, w: FloatArray, *, last: bool = False) -> None:
        """Print a line for the last iteration, which ended with these weights."""
        self._unprinted = None
        epoch, loss, max_iter = len(monitor.loss_curve), monitor.loss_curve[-1], monitor.max_iter
        cells = {"epoch": f"{epoch:>6}", "loss": _five_digits(loss)}
        if self._rmse is not None:
            cells["RMSE"] = _five_digits(self._rmse(w, loss))
        if monitor.maximizes_evidence:
            evidence = monitor.evidence_curve[-1]
            cells[EVIDENCE] = "" if math.isnan(evidence) else f"{evidence:.5f}"
            cells[EVIDENCE] = cells[EVIDENCE].rjust(len(EVIDENCE))
        if monitor.early_stopping:
            cells[f"validation {self._score_name}"] = f"{monitor.validation_scores[-1]:>13.5f}"
        one_of_many = max_iter == 1 and epoch > 1  # epochs of partial_fit share a header
        if max_iter is not None and max_iter > 1:
            at_end = last or monitor.n_iter == max_iter
            left = "" if at_end else self._time_left(max_iter - monitor.n_iter)
            cells["time left"] = f"{left:>9}"
        self._table.print(None if one_of_many else self, self._heading, cells)

    def _time_left(self, n_iter: int) -> str:
        """The time that `n_iter` iterations take at the pace of the last ones."""
        pace = median(after - before for before, after in pairwise(self._clock))
        return duration(n_iter * pace)


class _Table:
    """Lines under a header for each attempt."""

    def __init__(self) -> None:
        self._shown: object = None

    def print(self, attempt: object, heading: str, cells: dict[str, str]) -> None:
        """Print a line. Print the heading first if the line before was of another attempt."""
        if attempt is not self._shown:
            if self._shown is not None:
                print()
            if heading:
                print(heading)
            print("  ".join(name.rjust(len(cell)) for name, cell in cells.items()))
            self._shown = attempt
        print("  ".join(cells.values()).rstrip(), flush=True)


def _five_digits(value: float) -> str:
    return f"{value:#.5g}".rstrip(".").rjust(11)


def duration(seconds: float) -> str:
    """The time in a suitable unit."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return "< 1 s" if seconds < 1 else f"{seconds:.0f} s"


def _worth_a_line(epoch: int) -> bool:
    """True for epochs 1 to 10, every tenth up to 100, every hundredth up to 1000, and so on."""
    return epoch % 10 ** int(math.log10(epoch)) == 0
