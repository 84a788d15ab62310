"""Warnings that point to the user's own line, however the call reached this package."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import sklearn

PASSED_OVER = tuple(
    str(Path(file).parent) + os.sep for file in (__file__, sklearn.__file__, joblib.__file__)
)
"""The folders of the code between the user's call and this package."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the nearest calling line outside this package, scikit-learn and joblib.

    A joblib worker has no such line. There the warning points to the outermost line.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PASSED_OVER):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


Caught = list[warnings.WarningMessage]


@contextmanager
def held_back() -> Iterator[Caught]:
    """Hold warnings back, for :func:`warn_again` or for nobody."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def warn_again(caught: Caught) -> None:
    """Warn as the code that was held back has."""
    for warning in caught:
        warn(str(warning.message), warning.category)
