"""What displays ask of a fitted network, wherever it stands: weights, and what its units see."""

from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted, validate_data

from .._typing import FloatArray, IntArray, MatrixLike
from ..activations import ACTIVATIONS


class FittedNetwork(NamedTuple):
    """A fitted multi-layer perceptron, ours or scikit-learn's, taken out of what it stands in.

    Attributes
    ----------
    model : estimator instance
        The network itself.
    weights : list of arrays of shape (n_in + 1, n_out)
        Bias row first.
    feature_names : list of str of length n_in
        What the network reads: its features, by scikit-learn's names where they have none.
    X : {array, sparse matrix} of shape (n_samples, n_in) or None
        The data as they reach the network.
    """

    model: Any
    weights: list[FloatArray]
    feature_names: list[str]
    X: Any

    @classmethod
    def of(cls, estimator: Any, X: MatrixLike | None = None) -> Self:
        """Follow the data through pipelines to the network."""
        check_is_fitted(estimator)
        model, names = estimator, getattr(estimator, "feature_names_in_", None)
        while isinstance(model, (Pipeline, TransformedTargetRegressor)):
            if isinstance(model, TransformedTargetRegressor):
                model = model.regressor_
                continue
            if len(model) > 1:
                X = None if X is None else model[:-1].transform(X)
                names = _names_out(model[:-1], names)
            model = model.steps[-1][1]
        if not (hasattr(model, "coefs_") and hasattr(model, "intercepts_")):
            raise ValueError(
                f"{type(model).__name__} is not a multi-layer perceptron: it needs coefs_ and "
                "intercepts_, as SigmoidMLPRegressor and MLPRegressor have."
            )
        weights = [
            np.vstack([b, W]).astype(float)
            for W, b in zip(model.coefs_, model.intercepts_, strict=True)
        ]
        names = getattr(model, "feature_names_in_", names)
        if names is None:
            n_features = len(weights[0]) - 1
            names = ["x"] if n_features == 1 else [f"x{j}" for j in range(n_features)]
        if X is not None:
            kinds = (np.float64, np.float32)
            X = validate_data(model, X, reset=False, accept_sparse="csr", dtype=kinds)
        return cls(model, weights, [str(name) for name in names], X)

    @property
    def n_hidden_layers(self) -> int:
        """The number of hidden layers."""
        return len(self.weights) - 1

    @property
    def activation(self) -> str:
        """The activation of the hidden layers, a key of ``ACTIVATIONS``."""
        name = getattr(self.model, "activation", None)
        if name not in ACTIVATIONS:
            raise ValueError(f"The activation {name!r} is not one of {', '.join(ACTIVATIONS)}.")
        return str(name)

    def arguments(self, layer: int, rows: IntArray | None = None) -> FloatArray:
        """z of each unit of a layer, of shape (n_rows, n_units); the last layer is the output."""
        h = self.X if rows is None else _safe_indexing(self.X, rows)
        for W in self.weights[:layer]:
            h = np.asarray(h @ W[1:] + W[0])
            with np.errstate(over="ignore"):
                ACTIVATIONS[self.activation].value(h)
        W = self.weights[layer]
        return np.asarray(h @ W[1:] + W[0])


def _names_out(transformers: Pipeline, names: Any) -> Any:
    """The names of what comes out, or None where a transformer gives none."""
    try:
        return transformers.get_feature_names_out(names)
    except (AttributeError, ValueError):
        return None
