"""The network inside an estimator, and the data that reach it.

Displays open what they are given here: a search gives its best estimator, a pipeline its last step,
a ``TransformedTargetRegressor`` its regressor, an ensemble its members.
"""

from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted, validate_data

from .._typing import FloatArray, IntArray, MatrixLike
from ..activations import ACTIVATIONS
from ..ensemble import SigmoidMLPEnsembleRegressor
from ..model import Model


class Opened(NamedTuple):
    """A fitted estimator, taken out of its searches, pipelines and wrappers.

    Attributes
    ----------
    estimator : estimator instance
        A network, an ensemble, or whatever else is inside.
    steps : list of estimators
        The steps that the data pass on the way to it, in this order: transformers, and the
        ensemble if this is one of its members.
    target_transformers : list of transformers
        The steps that the targets pass, the outermost first.
    names : list of str or None
        The names of the columns that reach it, where they are known.
    """

    estimator: Any
    steps: list[Any]
    target_transformers: list[Any]
    names: list[str] | None

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Open searches, pipelines and wrappers of the targets; an ensemble stays whole."""
        check_is_fitted(estimator)
        return cls(estimator, [], [], None)._opened()

    def _opened(self) -> Self:
        estimator, steps, target_transformers, names = self
        steps, target_transformers = list(steps), list(target_transformers)
        while True:
            seen = getattr(estimator, "feature_names_in_", None)
            names = names if seen is None else [str(name) for name in seen]
            if is_search(estimator):
                estimator = best_of(estimator)
            elif isinstance(estimator, TransformedTargetRegressor):
                target_transformers.append(estimator.transformer_)
                estimator = estimator.regressor_
            elif isinstance(estimator, Pipeline):
                for step in transformers(estimator):
                    steps.append(step)
                    names = names_out(step, names)
                estimator = estimator.steps[-1][1]
            else:
                return type(self)(estimator, steps, target_transformers, names)

    @property
    def is_ensemble(self) -> bool:
        """Whether there are several networks inside."""
        return isinstance(self.estimator, SigmoidMLPEnsembleRegressor)

    def members(self) -> list[Self]:
        """Each member of an ensemble, opened; of anything else itself."""
        if not self.is_ensemble:
            return [self]
        ensemble = self._replace(steps=[*self.steps, self.estimator])
        return [ensemble._replace(estimator=e)._opened() for e in self.estimator.estimators_]

    def member(self, i: int) -> Self:
        """One member of an ensemble, opened; of anything else itself, whatever the number."""
        return self.members()[position_of_member(self.estimator, i)] if self.is_ensemble else self

    def reach(self, X: MatrixLike) -> Any:
        """The data as they reach the estimator inside."""
        for step in self.steps:
            X = step.transform(X) if hasattr(step, "transform") else _validated(step, X)
        return X


class FittedNetwork(NamedTuple):
    """A fitted multi-layer perceptron, ours or scikit-learn's, with its data.

    Attributes
    ----------
    name : str
        Its class.
    model : Model
    feature_names : list of str of length n_inputs
        The names of its inputs, by default as scikit-learn would name them.
    importances : array of shape (n_inputs,) or None
        Its ``feature_importances_``.
    X : {array, sparse matrix} of shape (n_samples, n_inputs) or None
        The data as they reach the network.
    """

    name: str
    model: Model
    feature_names: list[str]
    importances: FloatArray | None
    X: Any

    @classmethod
    def of(cls, estimator: Any, X: MatrixLike | None = None, *, member: int = 0) -> Self:
        """Follow the data to the network, or to one member of an ensemble."""
        opened = Opened.of(estimator).member(member)
        model = model_of(opened.estimator)
        if X is not None:
            X = _validated(opened.estimator, opened.reach(X))
        names = opened.names
        if names is None:
            n_inputs = model.network.layer_sizes[0]
            names = ["x"] if n_inputs == 1 else [f"x{j}" for j in range(n_inputs)]
        importances = getattr(opened.estimator, "feature_importances_", None)
        return cls(type(opened.estimator).__name__, model, names, importances, X)

    @property
    def n_hidden_layers(self) -> int:
        """The number of hidden layers."""
        return len(self.model.weights) - 1

    def arguments(self, layer: int, rows: IntArray | None = None) -> FloatArray:
        """The z of each unit of a layer, shape (n_rows, n_units); the last layer is the output."""
        h = self.X if rows is None else _safe_indexing(self.X, rows)
        for W in self.model.weights[:layer]:
            h = activated(self.model, np.asarray(h @ W[1:] + W[0], dtype=float))
        W = self.model.weights[layer]
        return np.asarray(h @ W[1:] + W[0], dtype=float)


def activated(model: Model, z: FloatArray) -> FloatArray:
    """What hidden units give for their arguments, in place."""
    with np.errstate(over="ignore"):
        ACTIVATIONS[model.network.activation].value(z)
    return z


def model_of(estimator: Any) -> Model:
    """The fitted model of a network, ours or scikit-learn's."""
    if hasattr(estimator, "_model"):
        model: Model = estimator._model
        return model
    if not (hasattr(estimator, "coefs_") and hasattr(estimator, "intercepts_")):
        raise ValueError(
            f"{type(estimator).__name__} is not a multi-layer perceptron: it needs coefs_ and "
            "intercepts_, as SigmoidMLPRegressor and MLPRegressor have."
        )
    activation = getattr(estimator, "activation", None)
    if activation not in ACTIVATIONS:
        raise ValueError(f"The activation {activation!r} is not one of {', '.join(ACTIVATIONS)}.")
    weights = [
        np.vstack([b, W]).astype(float)
        for W, b in zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ]
    link = getattr(estimator, "out_activation_", "identity")
    return Model.of_weights(weights, activation, link)


def is_search(estimator: Any) -> bool:
    """Whether an estimator is a search for the best of several."""
    return isinstance(estimator, BaseSearchCV) or hasattr(estimator, "best_estimator_")


def best_of(search: Any) -> Any:
    """The best estimator of a search, fitted to all data."""
    if not hasattr(search, "best_estimator_"):
        raise ValueError(
            f"This {type(search).__name__} has no best_estimator_: fit it, with refit=True."
        )
    return search.best_estimator_


def position_of_member(ensemble: Any, member: int) -> int:
    """The position of a member of a fitted ensemble."""
    n_members = len(ensemble.estimators_)
    if not -n_members <= member < n_members:
        raise ValueError(f"member must be 0 to {n_members - 1}, got {member!r}.")
    return member


def transformers(pipeline: Pipeline) -> list[Any]:
    """The steps of a pipeline before the last that do something, those of inner pipelines too."""
    steps: list[Any] = []
    for _, step in pipeline.steps[:-1]:
        if isinstance(step, Pipeline):
            steps += [*transformers(step), step.steps[-1][1]]
        else:
            steps.append(step)
    return [step for step in steps if step is not None and step != "passthrough"]


def names_out(step: Any, names: list[str] | None) -> list[str] | None:
    """The names of the columns that a fitted step gives, where it knows them."""
    try:
        return [str(name) for name in step.get_feature_names_out(names)]
    except (AttributeError, ValueError):
        return None


def _validated(estimator: Any, X: MatrixLike) -> Any:
    """The data as a fitted estimator takes them: an array or a sparse matrix, without names."""
    kinds = (np.float64, np.float32)
    return validate_data(estimator, X, reset=False, accept_sparse="csr", dtype=kinds)
