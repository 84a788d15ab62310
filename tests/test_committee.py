"""The default architecture: small networks, wider and wider, and their mean."""

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import r2_score

from sklearn_mlp import SigmoidMLPRegressor, distributed
from sklearn_mlp import rows as rows_module
from sklearn_mlp.committee import (
    TWO_LAYERS,
    Climb,
    FallOfSquares,
    Member,
    MixturePosterior,
    rungs,
    shared_out,
    stitched,
)
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.posterior import PredictiveVariances, WeightGroups, calibrated, laplace
from sklearn_mlp.rows import Budget, Rows
from sklearn_mlp.solvers import EvidenceMaximization
from tests import reference
from tests.helpers import fitted, precision_of

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
Y = np.column_stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]]) + 0.1 * rng.normal(size=(40, 2))


def member(*hidden: int, seed: int, share: float = 1.0) -> Member:
    """A network with random weights, and what these say of the rows."""
    random = np.random.default_rng(seed)
    network = Network([3, *hidden, 2], "tanh")
    objective = Objective(network, Rows(X, Y), 0.0)
    w = random.normal(size=network.n_parameters)
    groups = WeightGroups.by_layer(network, per_input=bool(seed % 2))
    point = Point(w, objective.gauss_newton(w))
    posterior = laplace(point, groups, np.ones(len(groups.names)), np.array([2.0, 3.0]), 40)
    return Member(network, calibrated(posterior, objective), converged=True, share=share)


MEMBERS = [
    member(2, seed=0, share=0.5), member(4, seed=1, share=0.3), member(3, seed=2, share=0.2)
]  # fmt: skip
DEEP = [member(2, 3, seed=0, share=0.7), member(4, 1, seed=1, share=0.3)]
DEEPER = [member(2, 3, 1, seed=0, share=0.6), member(1, 2, 4, seed=1, share=0.4)]


@pytest.mark.parametrize(
    ("members", "sizes"),
    [(MEMBERS, (3, 9, 2)), (DEEP, (3, 6, 4, 2)), (DEEPER, (3, 3, 5, 5, 2))],
    ids=["one hidden layer", "two", "three"],
)
def test_the_mean_of_networks_is_a_network(members: list[Member], sizes: tuple[int, ...]) -> None:
    network, w = stitched(members)
    assert network.layer_sizes == sizes
    each = [
        m.share * reference.predict(m.posterior.w, X, m.network.layer_sizes, "tanh")
        for m in members
    ]
    np.testing.assert_allclose(
        reference.predict(w, X, sizes, "tanh"), sum(each), rtol=1e-12, atol=1e-12
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


def test_units_that_are_small_but_larger_than_the_noise_are_kept() -> None:
    w = MEMBERS[0].posterior.w.copy()
    MEMBERS[0].network.layers(w)[-1][1] = 1e-9
    posterior = replace(MEMBERS[0].posterior, w=w, beta=np.full(2, 1e12**2))
    network, kept = stitched([replace(MEMBERS[0], posterior=posterior, share=1.0)])
    np.testing.assert_allclose(
        reference.predict(kept, X, network.layer_sizes, "tanh"),
        reference.predict(w, X, (3, 2, 2), "tanh"),
        rtol=0,
        atol=1e-12,
    )


def test_units_that_lead_to_none_but_switched_off_units_are_left_out() -> None:
    w = DEEP[0].posterior.w.copy()
    _, second, last = DEEP[0].network.layers(w)
    last[1] = 0  # the first unit of the second layer,
    second[2, 1:] = 0  # to which alone the second of the first layer leads
    switched = replace(DEEP[0], posterior=replace(DEEP[0].posterior, w=w), share=1.0)
    network, left = stitched([switched])
    assert network.layer_sizes == (3, 1, 2, 2)
    np.testing.assert_allclose(
        reference.predict(left, X, network.layer_sizes, "tanh"),
        reference.predict(w, X, (3, 2, 3, 2), "tanh"),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("members", [MEMBERS, DEEP], ids=["one hidden layer", "two"])
def test_error_bars_are_those_of_the_mixture(members: list[Member]) -> None:
    network, posterior = MixturePosterior.of(members)
    means, variances = [], []
    for m in members:
        sizes = m.network.layer_sizes
        p = m.posterior

        def predict(w: np.ndarray, sizes: tuple[int, ...] = sizes) -> np.ndarray:
            return reference.predict(w, X, sizes, "tanh")

        J = reference.complex_step(predict, p.w)
        covariance = np.linalg.inv(precision_of(p))
        width = np.einsum("nkp,pq,nkq->nk", J, covariance, J)
        means.append(predict(p.w))
        variances.append(p.calibration * (1 / p.beta + width))
    shares = [m.share for m in members]
    mean = np.einsum("m,mnk->nk", shares, means)
    expected = np.einsum("m,mnk->nk", shares, variances + (means - mean) ** 2)
    rows = Rows(X, np.empty((40, 0)))
    got = PredictiveVariances(network, posterior)(rows.whole(), rows.work)
    np.testing.assert_allclose(got, expected, rtol=1e-8)


def test_shares_follow_the_merit_in_units_of_its_uncertainty() -> None:
    members = shared_out(MEMBERS)
    merits = np.array([m.posterior.log_evidence + m.posterior.leave_one_out for m in members]) / 2
    expected = softmax(merits / np.sqrt(40 * 2 / 2))
    expected[expected < 0.01 * expected.max()] = 0
    np.testing.assert_allclose([m.share for m in members], expected / expected.sum(), rtol=1e-12)
    twins = shared_out([MEMBERS[0]] * 4)
    assert [m.share for m in twins] == [0.25] * 4


def test_errors_of_means_are_compared_by_leaving_out_each_row() -> None:
    weights = rng.integers(1, 3, size=40).astype(float)
    objective = Objective(MEMBERS[0].network, Rows(X, Y, sample_weight=weights), 0.0)

    def squares(members: list[Member]) -> np.ndarray:
        error = np.zeros_like(Y)
        for m in members:
            sizes = m.network.layer_sizes

            def predict(w: np.ndarray, sizes: tuple[int, ...] = sizes) -> np.ndarray:
                return reference.predict(w, X, sizes, "tanh")

            J = reference.complex_step(predict, m.posterior.w)
            covariance = np.linalg.inv(precision_of(m.posterior))
            h = m.posterior.beta * np.einsum("nkp,pq,nkq->nk", J, covariance, J)
            error += m.share * (predict(m.posterior.w) - Y) / (1 - h)
        return (error**2).sum(axis=1)

    d = squares(MEMBERS) - squares(DEEP)
    total, of_squares = objective.rows.sum(FallOfSquares(tuple(MEMBERS), tuple(DEEP)))
    np.testing.assert_allclose([total, of_squares], [weights @ d, weights @ d**2], rtol=1e-8)


@pytest.mark.parametrize(
    ("lead", "truth", "determined", "depth"),
    [(1.1, 2, 0.3, 2), (0.9, 2, 0.3, 1), (1.1, 1, 0.3, 1), (1.1, 2, 0.5, 1)],
    ids=["better", "hardly more merit", "larger errors", "leaving out is not to be believed"],
)
def test_two_hidden_layers_must_be_better_by_merit_and_by_errors_that_can_be_believed(
    lead: float, truth: int, determined: float, depth: int
) -> None:
    random = np.random.default_rng(0)
    networks = [Network([3, 3, 1], "tanh"), Network([3, 2, 2, 1], "tanh")]
    weights = [2 * random.normal(size=network.n_parameters) for network in networks]
    y = reference.predict(weights[truth - 1], X, networks[truth - 1].layer_sizes, "tanh")
    rows = Rows(X, y + 0.1 * random.normal(size=(40, 1)))

    def objective_of(network: Network) -> Objective:
        return Objective(network, rows, 0.0)

    members = []
    for network, w, merit in zip(networks, weights, [0.0, lead * np.sqrt(40 / 2)], strict=True):
        point = Point(w, objective_of(network).gauss_newton(w))
        groups = WeightGroups.by_layer(network, per_input=False)
        posterior = laplace(point, groups, np.ones(len(groups.names)), np.array([1.0]), 40)
        gamma = np.array([40 * determined])
        says = {"log_evidence": merit, "leave_one_out": merit, "gamma_of_output": gamma}
        members.append(Member(network, replace(posterior, **says), converged=True))
    climb = Climb(EvidenceMaximization(1, np.random.RandomState(0)), objective_of, Network.is_coef)
    climb.members = members
    shares = [m.share for m in climb._shared_out()]
    assert shares == [float(depth == 1), float(depth == 2)]


def test_the_ladder_has_two_rungs_at_least_and_ends_where_one_costs_too_much() -> None:
    def widths(n_inputs: int, n_rows: int) -> list[int]:
        return [network.layer_sizes[1] for network in rungs(n_inputs, 1, "sigmoid", n_rows)]

    assert widths(100, 100_000) == [3, 6]
    assert widths(50, 3_000) == [3, 6, 12]  # 625 parameters: 1.4e9
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


@pytest.mark.nightly
def test_two_hidden_layers_where_a_function_of_a_function_asks_for_them() -> None:
    gains, n_deep = [], 0
    for seed in range(5):
        random = np.random.default_rng(seed)
        X = random.uniform(-1, 1, size=(1300, 4))
        truth = np.sin(3 * np.tanh(2 * X[:, 0] + X[:, 1] * X[:, 2]) + X[:, 3])
        y = truth + 0.07 * random.normal(size=1300)
        model = fitted(SigmoidMLPRegressor(random_state=seed), X[:300], y[:300])
        tried = model.architectures_
        depths = {len(one["hidden_layer_sizes"]) for one in tried if one["share"] > 0}
        assert depths == {len(model.weights_) - 1}  # of one depth
        assert {one["hidden_layer_sizes"] for one in tried} >= {(3,), (6,), (12,), TWO_LAYERS[12]}
        assert sum(one["share"] for one in tried) == pytest.approx(1)
        n_deep += depths == {2}
        mean, std = model.predict(X[300:], return_std=True)
        assert 0.9 < np.mean(np.abs(y[300:] - mean) < 1.96 * std) < 0.99
        wide = fitted(SigmoidMLPRegressor((50,), random_state=seed), X[:300], y[:300])
        off, off_of_wide = (m.predict(X[300:]) - truth[300:] for m in (model, wide))
        gains.append(np.mean(off**2) / np.mean(off_of_wide**2))
    assert n_deep >= 3
    assert np.median(gains) < 0.7


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_one_hidden_layer_where_the_terms_only_add_up(seed: int) -> None:
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, size=(300, 3))
    y = np.sin(6 * X[:, 0]) + 0.5 * np.cos(4 * X[:, 1]) + 0.1 * random.normal(size=300)
    model = fitted(SigmoidMLPRegressor(random_state=seed), X, y)
    assert TWO_LAYERS[12] in {one["hidden_layer_sizes"] for one in model.architectures_}
    assert len(model.weights_) == 2


def test_two_hidden_layers_are_not_tried_where_few_units_in_one_are_enough() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(100, 3))
    y = X @ [1.0, -2.0, 0.5] + random.normal(size=100)
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    assert {one["hidden_layer_sizes"] for one in model.architectures_} == {(), (3,), (6,)}


# The linear function ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 3, 5])
@pytest.mark.slow
def test_a_linear_function_is_taken_where_it_is_as_good(seed: int) -> None:
    """Inputs of very different sizes are hard for units that bend."""
    random = np.random.default_rng(seed)
    X = np.exp(2 * random.normal(size=(80, 4)))
    y = X @ [1.0, 2.0, 0.0, 0.5] + random.normal(size=80)
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    ridge = BayesianRidge().fit(X, y)
    mean, std = model.predict(X, return_std=True)
    expected_mean, expected_std = ridge.predict(X, return_std=True)
    np.testing.assert_allclose(mean, expected_mean, atol=0.02)
    np.testing.assert_allclose(std, expected_std, rtol=0.02)
    assert [W.shape for W in model.weights_] == [(5, 1)]
    assert {one["hidden_layer_sizes"] for one in model.architectures_ if one["share"]} == {()}


def test_nothing_is_climbed_for_where_a_linear_function_has_no_error() -> None:
    X = np.exp(3 * np.random.default_rng(0).normal(size=(60, 6)))
    model = fitted(SigmoidMLPRegressor(random_state=0), X, X.sum(axis=1))
    np.testing.assert_allclose(model.coefs_[0], 1, rtol=1e-9)
    assert [one["hidden_layer_sizes"] for one in model.architectures_] == [()]


def test_as_many_parameters_as_rows_are_no_linear_function_without_error() -> None:
    random = np.random.default_rng(0)
    model = fitted(
        SigmoidMLPRegressor(random_state=0), random.normal(size=(12, 11)), random.normal(size=12)
    )
    assert model.noise_std_ > 0.2


def test_units_are_taken_where_a_function_bends() -> None:
    X, y = make_friedman1(150, n_features=5, noise=1.0, random_state=0)
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    assert len(model.weights_) == 2
    (linear,) = [one for one in model.architectures_ if one["hidden_layer_sizes"] == ()]
    assert linear["share"] == 0


def test_a_linear_function_is_found_for_each_output() -> None:
    random = np.random.default_rng(0)
    X, W = random.normal(size=(50, 3)), random.normal(size=(3, 2))
    model = fitted(SigmoidMLPRegressor(random_state=0), X, X @ W + 1)
    np.testing.assert_allclose(model.coefs_[0], W, rtol=1e-9)
    np.testing.assert_allclose(model.intercepts_[0], 1, rtol=1e-9)


def test_verbose_names_the_units_of_each_layer(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = make_friedman1(150, n_features=5, random_state=0)
    fitted(SigmoidMLPRegressor(random_state=0, max_iter=30, verbose=True), X, y)
    printed = capsys.readouterr().out
    assert "12 units, ascent 1 of 3" in printed
    assert "(6, 6) units, ascent 1 of 3" in printed
    best, fitted_network = printed.strip().split("\n\n")[-2:]
    assert best.startswith("best: ")
    assert fitted_network.startswith("fitted: ")
    assert "the mean of" in fitted_network


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


@pytest.mark.nightly
def test_pure_noise_explains_nothing() -> None:
    random = np.random.default_rng(0)
    explained = []
    for _ in range(10):
        X, y = random.normal(size=(60, 4)), random.normal(size=60)
        model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
        prediction = model.predict(random.normal(size=(1000, 4)))
        explained.append(r2_score(random.normal(size=1000), prediction))
    assert np.median(explained) > -0.25


@pytest.mark.nightly
@pytest.mark.parametrize(("n_rows", "n_inputs"), [(60, 100), (40, 200), (60, 30)])
@pytest.mark.parametrize("kind", ["friedman", "line", "noise"])
def test_many_columns_for_few_rows(kind: str, n_rows: int, n_inputs: int) -> None:
    covered, densities, lines = [], [], []
    for seed in range(3):
        X, y = make_friedman1(n_rows + 500, n_inputs, random_state=seed)
        random = np.random.default_rng(seed)
        if kind == "line":
            y = X @ random.normal(size=n_inputs)
        y = (y - y.mean()) / y.std() * (kind != "noise")
        y += random.normal(scale=1.0 if kind == "noise" else 0.3, size=len(y))
        rows, fresh, y, truth = X[:n_rows], X[n_rows:], y[:n_rows], y[n_rows:]
        mean, std = fitted(SigmoidMLPRegressor(random_state=0), rows, y).predict(
            fresh, return_std=True
        )
        covered.append(np.mean(np.abs(truth - mean) < 1.96 * std))
        densities.append(norm.logpdf(truth, mean, std).mean())
        line = BayesianRidge().fit(rows, y)
        lines.append(norm.logpdf(truth, *line.predict(fresh, return_std=True)).mean())
    assert 0.88 < np.mean(covered) <= 1.0
    assert np.mean(densities) > np.mean(lines) - 0.15


@pytest.mark.parametrize("hidden", [(3,), pytest.param("auto", marks=pytest.mark.nightly)])
def test_a_line_in_all_of_many_inputs(hidden: Any) -> None:
    # Each input hardly matters, so a selection finds only some of them.
    random = np.random.RandomState(1)
    X = random.randn(1500, 80)
    y = X @ random.randn(80)
    y = y / y.std() + 1.5 * random.randn(1500)
    model = fitted(SigmoidMLPRegressor(hidden, random_state=0), X[:500], y[:500])
    line = BayesianRidge().fit(X[:500], y[:500])
    assert model.score(X[500:], y[500:]) > line.score(X[500:], y[500:]) - 0.03


@pytest.mark.slow
def test_three_wide_layers_do_not_end_as_a_constant() -> None:
    random = np.random.default_rng(0)
    X = random.uniform(size=(550, 5))
    y = X @ random.normal(size=5)
    y += random.normal(scale=0.3 * y.std(), size=len(y))
    model = fitted(SigmoidMLPRegressor((100, 100, 100), random_state=0), X[:50], y[:50])
    line = BayesianRidge().fit(X[:50], y[:50])
    assert model.score(X[50:], y[50:]) > line.score(X[50:], y[50:]) - 0.05


@pytest.mark.nightly
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


@pytest.mark.slow
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


@pytest.mark.nightly
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
@pytest.mark.slow
def test_awkward_data_give_a_finite_model(X: np.ndarray, y: np.ndarray) -> None:
    model = fitted(SigmoidMLPRegressor(random_state=0), X, y)
    mean, std = model.predict(X, return_std=True)
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()
    if np.ptp(y) == 0:
        np.testing.assert_allclose(mean, y)


@pytest.mark.parametrize("hidden", ["auto", (8,), (5, 5)], ids=str)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_the_order_of_the_rows_does_not_matter(hidden: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 4))
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=120)
    order = rng.permutation(120)
    one = fitted(SigmoidMLPRegressor(hidden, random_state=0), X, y)
    other = fitted(SigmoidMLPRegressor(hidden, random_state=0), X[order], y[order])
    new = rng.normal(size=(50, 4))
    for a, b in zip(
        one.predict(new, return_std=True), other.predict(new, return_std=True), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=0.01 * y.std())


@pytest.mark.parametrize("hidden", ["auto", (3,)])
@pytest.mark.slow
def test_error_bars_of_a_choice_among_many_inputs(hidden: Any) -> None:
    """Leaving out each row takes the noise for 0.6 to 0.8 of what it is: coverage 0.8."""
    draws = np.random.default_rng(0)
    X = draws.normal(size=(1_120, 90))
    y = X[:, :5].sum(axis=1) / np.sqrt(5) + 0.1 * draws.normal(size=1_120)
    model = fitted(SigmoidMLPRegressor(hidden, random_state=0), X[:120], y[:120])
    mean, std = model.predict(X[120:], return_std=True)
    assert np.mean(np.abs(y[120:] - mean) < 1.96 * std) > 0.9


@pytest.mark.nightly
def test_the_same_rows_are_held_out_of_rows_of_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(1)
    X = draws.normal(size=(120, 70))
    y = X[:, 0] + 0.3 * draws.normal(size=120)
    for module in (rows_module, distributed):  # as if they were many: no order, and not in memory
        monkeypatch.setattr(module, "Budget", partial(Budget, kept=0))
    in_memory = fitted(SigmoidMLPRegressor((3,), random_state=0), X, y)
    parts = da.from_array(X, chunks=(50, 70)), da.from_array(y, chunks=50)
    of_dask = fitted(SigmoidMLPRegressor((3,), random_state=0), *parts)
    expected, std = in_memory.predict(X, return_std=True), of_dask.predict(X, return_std=True)[1]
    np.testing.assert_allclose(std, expected[1], rtol=1e-4)
