"""Data and small models for the conversions."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor

Array: TypeAlias = NDArray[Any]
MakeModel: TypeAlias = Callable[..., SigmoidMLPRegressor]
MakeEnsemble: TypeAlias = Callable[..., SigmoidMLPEnsembleRegressor]


class Data(NamedTuple):
    """80 rows; X and raw are float64 arrays of numbers that float32 holds exactly."""

    X: Array
    raw: Array  # X in units of its own for each column
    y: Array
    Y: Array  # two targets, of very different scales


@pytest.fixture(scope="session")
def data() -> Data:
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(80, 4))
    X = Z.astype(np.float32).astype(np.float64)
    raw = (Z * [1, 1e3, 1e-3, 1] + [0, 1e6, 5, 1000]).astype(np.float32).astype(np.float64)
    y = np.sin(2 * Z[:, 0]) + Z[:, 1] * Z[:, 2] + 0.1 * rng.normal(size=80)
    return Data(X, raw, y, Y=np.column_stack([y, 1e6 * Z[:, 3] - 1e5 * y]))


@pytest.fixture(params=["one output", "two outputs"])
def targets(request: pytest.FixtureRequest, data: Data) -> Array:
    return data.y if request.param == "one output" else data.Y


@pytest.fixture(params=[(), (5,), (5, 3)], ids=str)
def hidden(request: pytest.FixtureRequest) -> tuple[int, ...]:
    units: tuple[int, ...] = request.param
    return units


@pytest.fixture(scope="session")
def network() -> MakeModel:
    """A function that makes a small, quickly trained network; "lm" with a given penalty."""

    def make(hidden: tuple[int, ...] = (5,), **parameters: Any) -> SigmoidMLPRegressor:
        settings = {"solver": "lm", "alpha": 1.0, "max_iter": 10, "random_state": 0, **parameters}
        return SigmoidMLPRegressor(hidden, **settings)

    return make


@pytest.fixture(scope="session")
def ensemble(network: MakeModel) -> MakeEnsemble:
    """A function that makes an ensemble of three members."""

    def make(member: Any = None) -> SigmoidMLPEnsembleRegressor:
        return SigmoidMLPEnsembleRegressor(member or network(), n_estimators=3, random_state=0)

    return make


@pytest.fixture
def weights_set_by_hand() -> SigmoidMLPRegressor:
    """f(x) = 1 + 2 x + 3."""
    model = SigmoidMLPRegressor(2, activation="identity")
    model.weights_ = [np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0], [2.0], [3.0]])]
    return model
