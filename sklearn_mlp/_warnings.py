"""Warnings that name the user's own line, whichever way the call came in."""

import os
import sys
import warnings
from pathlib import Path

import joblib
import sklearn

PASSED_OVER = tuple(
    str(Path(file).parent) + os.sep for file in (__file__, sklearn.__file__, joblib.__file__)
)
"""The folders of the code between a user's call and ours."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called, outside of this package, scikit-learn and joblib.

    In a worker of joblib there is no such line, and the warning names the outermost one.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PASSED_OVER):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
