"""Fair timing on a noisy machine: contenders take turns, and ratios are taken turn by turn."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Record(NamedTuple):
    """What one contender took in one case of a benchmark.

    Attributes
    ----------
    values : list of float
        One a turn; empty where the contender does not come to the end.
    unit : str
        Of the values: seconds, or MB.
    """

    benchmark: str
    case: str
    contender: str
    ours: bool
    values: list[float]
    unit: str = "s"


def interleaved(
    contenders: Mapping[str, Callable[[], object]], turns: int = 7
) -> dict[str, np.ndarray]:
    """Seconds that each contender takes, in each of `turns` rounds after one warm-up."""
    seconds = {name: np.empty(turns) for name in contenders}
    for turn in range(-1, turns):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if turn >= 0:
                seconds[name][turn] = time.perf_counter() - start
    return seconds


def ratio(theirs: np.ndarray, ours: np.ndarray) -> str:
    """How many times faster we are: the median over the turns, and the range."""
    ratios = theirs / ours
    return f"{np.median(ratios):5.2f} ({ratios.min():.2f} to {ratios.max():.2f})"
