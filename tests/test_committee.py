"""The default architecture: small networks, wider and wider, and their mean."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import r2_score

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.committee import Member, MixturePosterior, rungs, shared_out, stitched
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.posterior import WeightGroups, calibrated, laplace
from sklearn_mlp.rows import Rows
from tests import reference
from tests.helpers import fitted, precision_of

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
Y = np.column_stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]]) + 0.1 * rng.normal(size=(40, 2))


def member(width: int, seed: int, share: float = 1.0) -> Member:
    """A network with random weights, and what these say of the rows."""
    random = np.random.default_rng(seed)
    network = Network([3, width, 2], "tanh")
    objective = Objective(network, Rows(X, Y), 0.0)
    w = random.normal(size=network.n_parameters)
    groups = WeightGroups.by_layer(network, per_input=bool(seed % 2))
    point = Point(w, objective.gauss_newton(w))
    posterior = laplace(point, groups, np.ones(len(groups.names)), np.array([2.0, 3.0]), 40)
    return Member(network, calibrated(posterior, objective), converged=True, share=share)


MEMBERS = [member(2, 0, 0.5), member(4, 1, 0.3), member(3, 2, 0.2)]


def test_the_mean_of_networks_is_a_network() -> None:
    network, w = stitched(MEMBERS)
    assert network.layer_sizes == (3, 9, 2)
    each = [
        m.share * reference.predict(m.posterior.w, X, m.network.layer_sizes, "tanh")
        for m in MEMBERS
    ]
    np.testing.assert_allclose(
        reference.predict(w, X, (3, 9, 2), "tanh"), sum(each), rtol=1e-12, atol=1e-12
    )


def test_units_that_are_switched_off_are_left_out() -> None:
    off = MEMBERS[0].posterior.w.copy()
    MEMBERS[0].network.layers(off)[-1][1] = 1e-12
    switched = replace(MEMBERS[0], posterior=replace(MEMBERS[0].posterior, w=off))
    network, w = stitched([switched, MEMBERS[1]])
    assert network.layer_sizes == (3, 5, 2)
    constant = np.zeros_like(off)
    constant[-2:] = 7
    nothing = replace(MEMBERS[0], posterior=replace(MEMBERS[0].posterior, w=constant))
    network, w = stitched([replace(nothing, share=1.0)])
    np.testing.assert_array_equal(
        reference.predict(w, X, network.layer_sizes, "tanh"), np.zeros((40, 2))
    )


def test_error_bars_are_those_of_the_mixture() -> None:
    network, posterior = MixturePosterior.of(MEMBERS)
    means, variances = [], []
    for m in MEMBERS:
        sizes = m.network.layer_sizes
        p = m.posterior

        def predict(w: np.ndarray, sizes: tuple[int, ...] = sizes) -> np.ndarray:
            return reference.predict(w, X, sizes, "tanh")

        J = reference.complex_step(predict, p.w)
        covariance = np.linalg.inv(precision_of(p))
        width = np.einsum("nkp,pq,nkq->nk", J, covariance, J)
        means.append(predict(p.w))
        variances.append(p.calibration * (1 / p.beta + width))
    shares = [0.5, 0.3, 0.2]
    mean = np.einsum("m,mnk->nk", shares, means)
    expected = np.einsum("m,mnk->nk", shares, variances + (means - mean) ** 2)
    rows = Rows(X, np.empty((40, 0)))
    got = posterior.predictive_variance(network, rows.whole(), rows.work)
    np.testing.assert_allclose(got, expected, rtol=1e-8)


def test_shares_follow_the_merit_in_units_of_its_uncertainty() -> None:
    members = shared_out(MEMBERS)
    merits = np.array([m.posterior.log_evidence + m.posterior.leave_one_out for m in members]) / 2
    expected = softmax(merits / np.sqrt(40 * 2 / 2))
    expected[expected < 0.01 * expected.max()] = 0
    np.testing.assert_allclose([m.share for m in members], expected / expected.sum(), rtol=1e-12)
    twins = shared_out([MEMBERS[0]] * 4)
    assert [m.share for m in twins] == [0.25] * 4


def test_the_ladder_has_three_rungs_at_least_and_ends_where_one_costs_too_much() -> None:
    def widths(n_inputs: int, n_rows: int) -> list[int]:
        return [network.layer_sizes[1] for network in rungs(n_inputs, 1, "sigmoid", n_rows)]

    assert widths(100, 100_000) == [3, 6, 12]
    assert widths(2, 100) == [3, 6, 12, 25, 50, 100]
    assert widths(10, 2_000)[-1] == 25


# The estimator ------------------------------------------------------------------------------


def test_the_fit_is_the_mean_of_what_was_tried_and_says_what_that_was() -> None:
    X, y = make_friedman1(150, n_features=5, noise=1.0, random_state=0)
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    tried = model.architectures_
    assert {one["hidden_layer_sizes"] for one in tried} >= {(3,), (6,)}
    assert sum(one["share"] for one in tried) == pytest.approx(1)
    kept = [one for one in tried if one["share"] > 0]
    assert len(model.weights_) == 2
    assert model.coefs_[0].shape[1] <= sum(one["hidden_layer_sizes"][0] for one in kept)
    gamma = sum(one["share"] * one["n_effective_parameters"] for one in tried)
    assert model.n_effective_parameters_ == pytest.approx(gamma)
    # A loss of half the mean square in deviations of y, as of any other fit.
    assert model.loss_ == pytest.approx(np.mean((model.predict(X) - y) ** 2) / 2 / y.var())
    std = model.predict(X, return_std=True)[1]
    assert (std > model.noise_std_).all()
    assert np.shape(model.alpha_["coefs_[0]"]) == (5,)
    assert model.feature_importances_.shape == (5,)


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_a_straight_line_stays_straight(noise: float) -> None:
    random = np.random.default_rng(1)
    X = random.normal(size=(40, 2))
    y = X @ [2.0, -1.0] + noise * random.normal(size=40)
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    new = random.normal(size=(200, 2))
    line = BayesianRidge().fit(X, y)
    assert np.std(model.predict(new) - line.predict(new)) < noise / 2
    assert 0.6 * noise < model.noise_std_ < 1.4 * noise


def test_pure_noise_explains_nothing() -> None:
    random = np.random.default_rng(0)
    explained = []
    for _ in range(10):
        X, y = random.normal(size=(60, 4)), random.normal(size=60)
        model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
        prediction = model.predict(random.normal(size=(1000, 4)))
        explained.append(r2_score(random.normal(size=1000), prediction))
    assert np.median(explained) > -0.25


def test_few_rows_of_diabetes() -> None:
    X, y = load_diabetes(return_X_y=True)
    random = np.random.RandomState(0)
    noise, scores, lines, covered = [], [], [], []
    for seed in range(50):
        train, test = np.split(random.permutation(442), [random.randint(15, 151)])
        model = fitted(SigmoidMLPRegressor(random_state=seed), X[train], y[train])
        mean, std = model.predict(X[test], return_std=True)
        noise.append(model.noise_std_ / y[train].std())
        scores.append(r2_score(y[test], mean))
        lines.append(BayesianRidge().fit(X[train], y[train]).score(X[test], y[test]))
        covered.append(np.mean(np.abs(y[test] - mean) < 1.96 * std))
    assert min(noise) > 0.2
    assert max(noise) < 1.3
    assert np.median(scores) > np.median(lines) - 0.05
    assert min(scores) > -0.5
    assert 0.88 < np.mean(covered) < 0.99


def test_an_exact_function_is_found() -> None:
    X, y = make_hyperplane(3000, random_state=0, return_X_y=True)
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    fresh, truth = make_hyperplane(1000, random_state=1, return_X_y=True)
    assert np.sqrt(np.mean((model.predict(fresh) - truth) ** 2)) < 1e-10


def test_an_interruption_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = make_friedman1(100, n_features=5, noise=1.0, random_state=0)
    record, n_recorded = Monitor.record, [0]

    def interrupted(monitor: Monitor, w: Any, loss: float) -> None:
        record(monitor, w, loss)
        n_recorded[0] += 1
        if n_recorded[0] == 300:
            raise KeyboardInterrupt

    monkeypatch.setattr(Monitor, "record", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        model = SigmoidMLPRegressor(random_state=0).fit(X, y)
    assert model.score(X, y) > 0.5
    assert np.isfinite(model.predict(X, return_std=True)[1]).all()


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": 0.1},
        {"loss": "huber"},
        {"solver": "adam"},
        {"early_stopping": True},
    ],
    ids=str,
)
def test_where_no_evidence_finds_the_width_it_is_fifty(parameters: dict[str, Any]) -> None:
    model = fitted(SigmoidMLPRegressor(max_iter=5, random_state=0, **parameters), X, Y[:, 0])
    assert [W.shape for W in model.weights_] == [(4, 50), (51, 1)]
    assert not hasattr(model, "architectures_")


def test_training_goes_on_with_the_width_that_was_found() -> None:
    model = fitted(SigmoidMLPRegressor(random_state=0), X, Y)
    shapes = [W.shape for W in model.weights_]
    fitted(model.set_params(warm_start=True, max_iter=5), X, Y)
    assert [W.shape for W in model.weights_] == shapes
    assert not hasattr(model, "architectures_")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.partial_fit(X, Y)
    assert [W.shape for W in model.weights_] == shapes


def test_most_default_fits_converge() -> None:
    n_warned = 0
    for seed in range(10):
        X, y = make_friedman1(200, n_features=6, noise=1.0, random_state=seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            SigmoidMLPRegressor(random_state=seed).fit(X, y)
        n_warned += bool(caught)
    assert n_warned <= 1


TARGET = np.sin(X[:, 0]) + 0.1 * X[:, 1]


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (X, np.full(40, 3.0)),
        (X[[0] * 40], TARGET[[0] * 40]),
        (X[:5], TARGET[:5]),
        (X[:1], TARGET[:1]),
        (0 * X, TARGET),
        (np.hstack([X, X]), TARGET),
        (X * [1e12, 1.0, 1e-6], TARGET),
        (X, np.append(TARGET[1:], 1e9)),
        (X, 1e-300 * TARGET),
        (X, 1e300 * TARGET),
    ],
    ids=[
        "constant target", "one row repeated", "five rows", "one row", "columns of zeros",
        "columns twice", "columns 1e18 apart", "an outlier", "tiny target", "huge target",
    ],
)  # fmt: skip
def test_awkward_data_give_a_finite_model(X: np.ndarray, y: np.ndarray) -> None:
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    mean, std = model.predict(X, return_std=True)
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()
    if np.ptp(y) == 0:
        np.testing.assert_allclose(mean, y)
