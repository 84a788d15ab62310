"""The type names shared by all modules."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.intp]
MatrixLike: TypeAlias = Any
"""A 2-D array, nested sequence, data frame or sparse matrix."""
Regressor: TypeAlias = Any
"""An estimator with the parameters of SigmoidMLPRegressor."""
