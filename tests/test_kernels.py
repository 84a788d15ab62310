"""Kernels, models and posteriors go through a pickle into another process, and answer the same."""

import importlib
import inspect
import pickle
import pkgutil
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import sklearn_mlp
from sklearn_mlp.committee import FallOfSquares, Member
from sklearn_mlp.distributed import TotalWeight
from sklearn_mlp.last_layer import LastLayerErrors, LastLayerSums, last_layer, last_layer_sums
from sklearn_mlp.losses import Poisson
from sklearn_mlp.model import InputGradients, Model, SquaredErrors, SquaredInputGradients
from sklearn_mlp.network import Network
from sklearn_mlp.noise import (
    LogVariance,
    LogVarianceNetwork,
    NoiseVariances,
    NoiseWeights,
    VaryingNoise,
)
from sklearn_mlp.objective import (
    CurvatureAlong,
    DerivativeSums,
    ErrorSums,
    FactorOfOutputLayer,
    GaussNewtonSums,
    LossAndGradient,
    LossAndSquares,
    Objective,
    OutputLayerProducts,
    OutputLayerRows,
    Point,
    Predictions,
    SquaredTargets,
    WeightedJacobian,
)
from sklearn_mlp.posterior import (
    DispersionVariances,
    LaplacePosterior,
    LeaveOneOutDensity,
    LeaveOneOutErrors,
    LeftOutErrors,
    LogNormalizer,
    PredictiveMixtures,
    PredictiveVariances,
    WeightGroups,
    laplace,
)
from sklearn_mlp.rows import Block, Kernel, Rows, Work, _MomentsOfColumns
from sklearn_mlp.solvers.between_rows import BiasSlopes
from sklearn_mlp.solvers.variable_projection import FactorOfStep
from sklearn_mlp.standardize import Scaling, Units

N = 12
rng = np.random.default_rng(0)
X, Y, S = rng.normal(size=(N, 3)), rng.uniform(size=(N, 2)), rng.uniform(0.5, 2, size=N)
NETWORK = Network([3, 4, 2], "tanh")
W = rng.normal(size=NETWORK.n_parameters)
OF_NOISE = Network([3, 2, 1], "sigmoid")
W_OF_NOISE = rng.normal(size=OF_NOISE.n_parameters)
BLOCK = Rows(X, Y, S).whole()._replace(start=0)
DTYPE = np.dtype(np.float64)


def a_posterior() -> LaplacePosterior:
    groups = WeightGroups.by_layer(NETWORK, per_input=True)
    point = Point(W, Objective(NETWORK, Rows(X, Y, S), 0.0).gauss_newton(W))
    return laplace(point, groups, np.ones(len(groups.names)), np.array([1.0, 2.0]), S.sum())


def of_the_last_layer() -> LaplacePosterior:
    network, objective = last_layer(NETWORK), Objective(NETWORK, Rows(X, Y, S), 0.0)
    groups = WeightGroups.by_layer(network, per_input=False)
    point = Point(W[-network.n_parameters :], last_layer_sums(objective, W))
    return laplace(point, groups, np.ones(len(groups.names)), np.array([1.0, 2.0]), S.sum())


def of_noise() -> LaplacePosterior:
    objective = Objective(OF_NOISE, Rows(X, np.square(Y), S), 0.0, LogVariance())
    groups = WeightGroups.by_layer(OF_NOISE, per_input=True)
    point = Point(W_OF_NOISE, objective.gauss_newton(W_OF_NOISE))
    return laplace(point, groups, np.ones(len(groups.names)), np.ones(1), S.sum())


def a_noise() -> VaryingNoise:
    one = LogVarianceNetwork(OF_NOISE, of_noise(), 1.0, -1.0, 1.0)
    return VaryingNoise((one, one), np.array([1.0, 2.0]))


def a_member(share: float) -> Member:
    return Member(NETWORK, a_posterior(), converged=True, share=share)


def a_model() -> Model:
    units = Units(Scaling.identity(3), Scaling(np.ones(2), np.full(2, 3.0), np.ones(2, bool)))
    return Model.of_training(NETWORK, W, units, DTYPE, "identity", a_posterior())


KERNELS: dict[type, Kernel[Any]] = {
    type(kernel): kernel
    for kernel in (
        InputGradients(NETWORK, NETWORK.layers(W), "exp"),
        SquaredInputGradients(NETWORK, W),
        CurvatureAlong(NETWORK, W, W / 10, np.ones(2)),
        ErrorSums(NETWORK, W, Poisson()),
        DerivativeSums(NETWORK, W, Poisson()),
        GaussNewtonSums(NETWORK, W, Poisson()),
        LossAndGradient(NETWORK, W, Poisson(), DTYPE),
        LossAndSquares(NETWORK, W, Poisson()),
        SquaredErrors(NETWORK, NETWORK.layers(W), "exp"),
        TotalWeight(),
        OutputLayerProducts(NETWORK, W),
        Predictions(NETWORK, NETWORK.layers(W), "exp"),
        SquaredTargets(5),
        WeightedJacobian(NETWORK, W, Poisson()),
        LeaveOneOutErrors(NETWORK, W, a_posterior()),
        LastLayerErrors(NETWORK, W, of_the_last_layer()),
        LastLayerSums(NETWORK, W),
        BiasSlopes(NETWORK, W, np.arange(4)),
        PredictiveVariances(NETWORK, a_posterior()),
        DispersionVariances(NETWORK, a_posterior(), 1),
        LeaveOneOutDensity(NETWORK, W, a_posterior(), Poisson()),
        LogNormalizer(Poisson(), np.ones(2)),
        LeftOutErrors(((1.0, LeaveOneOutErrors(NETWORK, W, a_posterior(), True, a_noise())),)),
        PredictiveMixtures(NETWORK, a_posterior(), a_noise()),
        NoiseVariances(a_noise()),
        NoiseWeights(a_noise()),
        FallOfSquares((a_member(0.4), a_member(0.6)), (a_member(1.0),)),
        _MomentsOfColumns(5),
        FactorOfOutputLayer(NETWORK, W),
        OutputLayerRows(NETWORK, W),
        FactorOfStep(NETWORK, W, 1),
    )
}


def kernel_classes() -> set[type]:
    """All concrete subclasses of Kernel in the package."""
    for module in pkgutil.walk_packages(sklearn_mlp.__path__, "sklearn_mlp."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: set[type] = set()
    unseen: list[type] = [Kernel]
    while unseen:
        cls = unseen.pop()
        unseen += cls.__subclasses__()
        if not inspect.isabstract(cls) and cls.__module__.startswith("sklearn_mlp."):
            found.add(cls)
    return found


def numbers(result: Any) -> list[Any]:
    """The arrays and floats in a total, however it is made up."""
    if isinstance(result, float | np.ndarray):
        return [result]
    if hasattr(result, "__iter__"):
        return [number for part in result for number in numbers(part)]
    return numbers(vars(result).values())


def answer(asked: Any, block: Block) -> list[Any]:
    """What a kernel makes of a block, a model of its rows, a posterior of a Jacobian."""
    if isinstance(asked, Model):
        return [asked.predict(X), asked.std(X), asked.input_gradient(X), asked.noise_std]
    if isinstance(asked, LaplacePosterior):
        J = np.random.default_rng(1).normal(size=(len(W), 5))
        return [asked.variance(J), asked.covariance_root(), asked.log_evidence]
    return numbers(asked(block, Work(N, DTYPE, 0)))


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_every_kernel_of_the_package_is_tried() -> None:
    assert {c for c in kernel_classes() if not c.__name__.endswith("Kernel")} == set(KERNELS)


@pytest.mark.parametrize(
    "asked",
    [*KERNELS.values(), a_model(), a_posterior()],
    ids=lambda asked: type(asked).__name__,
)
def test_a_round_trip_changes_no_answer(asked: Any) -> None:
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        again = pickle.loads(pickle.dumps(asked, protocol))
        for ours, theirs in zip(answer(again, BLOCK), answer(asked, BLOCK), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: type(kernel).__name__)
def test_a_kernel_holds_no_rows(kernel: Kernel[Any]) -> None:
    before = len(pickle.dumps(kernel))
    kernel(BLOCK, Work(N, DTYPE, 1 << 20))
    assert len(pickle.dumps(kernel)) == before


def most_memory(kernel: Kernel[Any], n_rows: int) -> int:
    """The most bytes that the work on so many rows takes at a time."""
    block = Rows(*(np.resize(part, (n_rows, *part.shape[1:])) for part in (X, Y, S))).whole()
    for _ in range(2):  # the first time may fill a cache
        tracemalloc.start()
        try:
            kernel(block, Work(n_rows, DTYPE, 0))
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    return most


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: type(kernel).__name__)
def test_the_work_on_a_row_takes_no_more_than_twice_the_memory_it_says(kernel: Kernel[Any]) -> None:
    few, many = 2_000, 4_000
    floats = (most_memory(kernel, many) - most_memory(kernel, few)) / (many - few) / DTYPE.itemsize
    n_columns = X.shape[1] + Y.shape[1]
    assert floats < 2 * (kernel.floats_per_row + n_columns)


@pytest.mark.nightly
def test_another_process_answers_the_same() -> None:
    asked = [*KERNELS.values(), a_model(), a_posterior()]
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=threadpool_limits, initargs=(1,)
    ) as pool:
        answers = list(pool.map(answer, asked, [BLOCK] * len(asked)))
    for one, theirs in zip(asked, answers, strict=True):
        assert_same(answer(one, BLOCK), theirs)
