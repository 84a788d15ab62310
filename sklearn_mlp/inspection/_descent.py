"""Train a network again with a monitor that keeps the weights on the way."""

import copy
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from .._typing import FloatArray, MatrixLike
from ..data import Given
from ..ensemble import SigmoidMLPEnsembleRegressor
from ..monitor import Monitor
from ..network import Network, PartialNetwork
from ..objective import Objective
from ..regressor import SigmoidMLPRegressor
from ..training import train
from ._estimators import best_of, is_search, names_out, position_of_member, transformers

MOST_POINTS = 1_000
"""The most points of a path that are kept and drawn."""

PATH_FLOATS = 1 << 24
"""The most numbers in a path (128 MB). A few dozen points are kept in any case."""

LOSS = "loss"
UNPENALISED = "loss, without a penalty"


class Recorder(Monitor):
    """A monitor that keeps the weights: all at first, fewer and fewer of a long path."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.path: list[FloatArray] = []
        self._every, self._n_seen = 1, 0

    def begin(self, w: FloatArray) -> None:
        """Training begins at these weights."""
        self.note(w)

    def adopt(self, attempt: Self) -> None:
        """Take over the history of the best attempt, and its path."""
        super().adopt(attempt)
        self.path = attempt.path

    def record(self, w: FloatArray, loss: float) -> None:
        """Record the loss as a monitor does, and the weights."""
        super().record(w, loss)
        self.note(w)

    def note(self, w: FloatArray) -> None:
        """Keep a copy of the weights; in a long path, of every second, fourth, ... step."""
        if isinstance(self.network, PartialNetwork):  # which is trained before the whole
            w = self.network.spread(w)
        if self.path and np.array_equal(self.path[-1], w):  # the start is noted twice by some
            return
        if self._n_seen % self._every == 0:
            self.path.append(w.copy())
        self._n_seen += 1
        if len(self.path) > max(50, min(MOST_POINTS, PATH_FLOATS // w.size)):
            self.path = self.path[::2]
            self._every *= 2

    def end(self, w: FloatArray) -> None:
        """End the path at these weights: cut it where it was last at them, or add them."""
        at = [i for i, on_the_way in enumerate(self.path) if np.array_equal(on_the_way, w)]
        self.path = [*self.path[: at[-1]], w.copy()] if at else [*self.path, w.copy()]


class Descent(NamedTuple):
    """How a network was trained.

    Attributes
    ----------
    path : array of shape (n_points, n_parameters)
        The weights, in the units of the objective, from the start to the end.
    objective : Objective
    loss_label : str
    features : list of str or None
        The names of the network's inputs.
    """

    path: FloatArray
    objective: Objective
    loss_label: str
    features: list[str] | None

    @property
    def network(self) -> Network:
        """The network that was trained."""
        return self.objective.network

    @property
    def of_z_scores(self) -> bool:
        """Whether it was trained on z-scores."""
        return not self.objective.rows.units.are_raw

    def losses(self, weights: Iterable[FloatArray]) -> FloatArray:
        """The loss at each of some weights."""
        objective = self.objective
        losses = []
        with np.errstate(over="ignore"):
            for w in weights:
                w = w.astype(objective.rows.dtype)
                penalty = float(np.vdot(objective.penalty * w, w))
                error = float(objective.errors(w).sum())
                losses.append((error + penalty) / (2 * objective.rows.total_weight))
        return np.array(losses)


def descend(
    estimator: Any,
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    *,
    member: int = 0,
) -> Descent:
    """Fit a copy of the estimator, and keep the path of its weights."""
    estimator = copy.deepcopy(_trainable(estimator, member))
    model = estimator
    while isinstance(model, Pipeline):
        model = model.steps[-1][1]
    if not isinstance(model, SigmoidMLPRegressor):
        raise ValueError(
            f"There is no loss surface of {type(model).__name__}: it needs a SigmoidMLPRegressor, "
            "alone or at the end of a pipeline, or in a fitted search or ensemble."
        )
    X, names = _fit_transformers(estimator, X, y)
    plan = model._plan(Given(X, y, sample_weight), None, model._start())
    if plan.rule.networks:
        raise ValueError(
            "hidden_layer_sizes='auto' trains several networks, so there is no one path to draw: "
            "set hidden_layer_sizes, for example to (5,)."
        )
    recorder = model._monitor(plan, None, Recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the drawing shows how far it came
        trained = train(plan, recorder)
    assert isinstance(recorder, Recorder)
    recorder.end(trained.w)
    seen = getattr(model, "feature_names_in_", None)
    return Descent(
        np.array(recorder.path, dtype=np.float64),
        plan.objective(),
        UNPENALISED if plan.rule.by_evidence else LOSS,
        names if seen is None else [str(name) for name in seen],
    )


def _fit_transformers(
    estimator: Any, X: MatrixLike, y: ArrayLike
) -> tuple[MatrixLike, list[str] | None]:
    """The data behind the steps of a pipeline, which learn from them, and their names."""
    columns = getattr(X, "columns", None)
    names = None if columns is None else [str(name) for name in columns]
    while isinstance(estimator, Pipeline):
        for step in transformers(estimator):
            X = step.fit_transform(X, y)
            names = names_out(step, names)
        estimator = estimator.steps[-1][1]
    return X, names


def _trainable(estimator: Any, member: int) -> Any:
    """The estimator with a search replaced by its best, and an ensemble by one member."""
    if is_search(estimator):
        return _trainable(best_of(estimator), member)
    if isinstance(estimator, SigmoidMLPEnsembleRegressor) and hasattr(estimator, "estimators_"):
        return _trainable(estimator.estimators_[position_of_member(estimator, member)], member)
    if isinstance(estimator, Pipeline):
        pipeline = copy.copy(estimator)
        name, last = estimator.steps[-1]
        pipeline.steps = [*estimator.steps[:-1], (name, _trainable(last, member))]
        return pipeline
    return estimator
