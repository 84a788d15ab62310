"""What the tests of all displays share: axes, figures, models, and what a legend says."""

import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


@pytest.fixture
def pyplot() -> Iterator[None]:
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def fitted(model: Any, *data: Any) -> Any:
    """The model after a fit that need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data)


SMALL: dict[str, Any] = {"hidden_layer_sizes": (3, 2), "random_state": 0, "max_iter": 20}


def network(**parameters: Any) -> Any:
    """A small network of ours."""
    return SigmoidMLPRegressor(**{**SMALL, **parameters})


def sklearns(**parameters: Any) -> Any:
    """A small network of scikit-learn's."""
    return MLPRegressor(**{**SMALL, **parameters})


def ensemble(n_estimators: int = 3, **parameters: Any) -> Any:
    """An ensemble of small networks of ours."""
    return SigmoidMLPEnsembleRegressor(network(**parameters), n_estimators, random_state=0)


def legend_texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]
