"""The article's data set: a function that its network can represent exactly."""

from typing import Literal, overload

import numpy as np
import pandas as pd
from numpy.random import RandomState
from scipy.special import expit
from sklearn.utils import check_random_state

from ._typing import FloatArray

__all__ = ["make_hyperplane"]


@overload
def make_hyperplane(
    n_samples: int = ...,
    *,
    noise: float = ...,
    random_state: int | RandomState | None = ...,
    return_X_y: Literal[False] = ...,
) -> pd.DataFrame: ...
@overload
def make_hyperplane(
    n_samples: int = ...,
    *,
    noise: float = ...,
    random_state: int | RandomState | None = ...,
    return_X_y: Literal[True],
) -> tuple[FloatArray, FloatArray]: ...
def make_hyperplane(
    n_samples: int = 10_000,
    *,
    noise: float = 0.0,
    random_state: int | RandomState | None = None,
    return_X_y: bool = False,
) -> pd.DataFrame | tuple[FloatArray, FloatArray]:
    """Generate the article's regression problem.

    The inputs a, b, c, d are uniform on [0, 1) and

        value = σ(0.1 a) + 0.4 σ(b) - 0.2 σ(c) + σ(d) + noise N(0, 1),

    which a network with one hidden layer of four sigmoid units represents exactly.

    Parameters
    ----------
    n_samples : int, default=10_000
        Number of rows.
    noise : float, default=0.0
        Standard deviation of the Gaussian noise added to the value.
    random_state : int, RandomState instance or None, default=None
        Seed of the inputs and the noise. Pass an int for the same rows at each call.
    return_X_y : bool, default=False
        Return ``(X, y)`` as arrays instead of a table.

    Returns
    -------
    pandas.DataFrame of shape (n_samples, 5)
        With columns a, b, c, d and value. If ``return_X_y``, the arrays
        X of shape (n_samples, 4) and y of shape (n_samples,) instead.

    Raises
    ------
    ValueError
        If `n_samples` is less than 1 or `noise` is negative or not finite.

    Examples
    --------
    >>> from sklearn_mlp.datasets import make_hyperplane
    >>> make_hyperplane(3, random_state=0).round(3)
           a      b      c      d  value
    0  0.549  0.715  0.603  0.545  1.286
    1  0.424  0.646  0.438  0.892  1.361
    2  0.964  0.383  0.792  0.529  1.254
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}.")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a finite number, 0 or more, got {noise}.")
    rng = check_random_state(random_state)
    X = rng.uniform(size=(n_samples, 4))
    a, b, c, d = X.T
    y = expit(0.1 * a) + 0.4 * expit(b) - 0.2 * expit(c) + expit(d)
    y += noise * rng.standard_normal(n_samples)
    if return_X_y:
        return X, y
    return pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(value=y)
