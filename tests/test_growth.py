"""Training that begins on some of the rows ends where training on all of them does."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import BayesianRidge

from sklearn_mlp import SigmoidMLPRegressor, growth
from sklearn_mlp.committee import Member, rungs
from sklearn_mlp.growth import (
    FIRST_ROWS,
    GROWTH,
    LEAST_STEPS,
    LEVEL_COST,
    WORTH,
    Growth,
    Sample,
    fits_into_memory,
    is_in_reach,
    levels,
    reads,
    rows_to_begin_with,
    steps_on,
    with_all_inputs,
    with_more_units,
    without_dead_inputs,
)
from sklearn_mlp.monitor import Monitor
from sklearn_mlp.network import Network, PartialNetwork
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.posterior import WeightGroups, calibrated, laplace
from sklearn_mlp.rows import Rows
from sklearn_mlp.solvers.evidence import SMALL_WEIGHTS, EvidenceMaximization
from sklearn_mlp.training import choose_rule
from tests import reference
from tests.helpers import flat

NARROW, WIDE = Network([3, 5, 1], "tanh"), Network([20, 100, 20, 2], "tanh")

# How many rows ------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", [1e7, 1e9])
@pytest.mark.parametrize("network", [NARROW, WIDE])
@pytest.mark.parametrize("n_rows", [1, 100, 1_999, 2_001, 10_000, 10**7])
def test_it_begins_with_as_many_rows_as_are_cheap(
    n_rows: int, network: Network, cost: float
) -> None:
    def cost_of(n: int) -> int:
        P, equations = network.n_parameters, n * network.layer_sizes[-1]
        return min(equations, P) ** 2 * ((n if equations >= P else equations) + P)

    n = rows_to_begin_with(n_rows, network, cost)
    assert 1 <= n <= min(n_rows, FIRST_ROWS)
    assert cost_of(n) <= cost
    assert n in (n_rows, FIRST_ROWS) or cost_of(n + 1) > cost


@pytest.mark.parametrize("n_rows", [2_001, 2_500, 5_999, 20_000, 400_000])
def test_the_rows_grow_evenly_until_they_are_all(n_rows: int) -> None:
    numbers = [2_000, *levels(2_000, n_rows, NARROW)]
    assert numbers[-1] == n_rows
    ratios = np.divide(numbers[1:], numbers[:-1])
    assert (ratios[:-1] == GROWTH).all()
    assert 1 < ratios[-1] <= GROWTH**1.5


def test_levels_end_where_a_few_steps_are_too_expensive() -> None:
    numbers = levels(100, 10**9, WIDE)
    assert steps_on(numbers[-1], WIDE, LEVEL_COST) >= LEAST_STEPS
    assert steps_on(GROWTH * numbers[-1], WIDE, LEVEL_COST) < LEAST_STEPS


def test_what_is_in_reach() -> None:
    assert is_in_reach(10**9, NARROW)
    assert not is_in_reach(10**9, Network([20, 300, 300, 1], "tanh"))
    assert is_in_reach(100, Network([20, 300, 300, 1], "tanh"))  # in the rows


def test_a_sample_holds_the_smaller_ones() -> None:
    X = np.arange(100.0).reshape(-1, 1)
    sample = Sample(Rows(X, X), 10, np.random.RandomState(0))
    few, more = (set(sample.take(n).whole().targets[0]) for n in (10, 30))
    assert few < more
    assert (len(few), len(more)) == (10, 30)
    assert sample.take(100) is sample.rows
    again = Sample(Rows(X, X), 10, np.random.RandomState(0))
    assert few == set(again.first.whole().targets[0])


def test_matrices_of_gigabytes_are_not_made_unasked() -> None:
    huge = Network([20, 1_000, 1_000, 1], "tanh")  # 1,023,001 parameters: 8 MB a row
    assert not fits_into_memory(50, huge)
    assert choose_rule(SigmoidMLPRegressor(), huge, 50, one_epoch=False).name == "lbfgs"
    assert choose_rule(SigmoidMLPRegressor(solver="lm"), huge, 50, one_epoch=False).name == "lm"
    assert fits_into_memory(10**9, Network([20, 50, 1], "tanh"))


def test_what_is_out_of_reach_and_asked_for_is_trained_on_all_rows() -> None:
    for hidden in ("auto", (500, 500)):
        estimator = SigmoidMLPRegressor(hidden, solver="lm")
        n_inputs = 2_000 if hidden == "auto" else 20
        networks = tuple(rungs(n_inputs, 1, "tanh", 10**6)) if hidden == "auto" else ()
        network = Network([n_inputs, 500, 500, 1], "tanh")
        rule = choose_rule(estimator, network, 10**6, one_epoch=False, networks=networks)
        assert rule.n_first == 10**6


# Dead inputs, and more units -----------------------------------------------------------------


def member_of_one_input(second: float = 0.2, beta: float = 100.0) -> tuple[Member, Objective]:
    """A network that reads the first of three inputs, and rows of which the second matters too."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    network = Network([3, 2, 1], "tanh")
    w = rng.normal(size=network.n_parameters)
    network.layers(w)[0][2:] = 0
    f = reference.predict(w, X, network.layer_sizes, "tanh")
    y = f + second * X[:, 1:2] + 0.1 * rng.normal(size=f.shape)
    objective = Objective(network, Rows(X, y), 0.0)
    groups = WeightGroups.by_layer(network, per_input=True)
    alpha = np.ones(len(groups.names))
    alpha[groups.of_one_input[1:]] = 1e10
    point = Point(w, objective.gauss_newton(w))
    posterior = laplace(point, groups, alpha, np.array([beta]), 500.0)
    return Member(network, posterior, True), objective


def test_an_input_is_dead_if_less_than_half_a_parameter_of_its_weights_is_determined() -> None:
    member, _ = member_of_one_input()
    gamma = member.posterior.gamma.copy()
    gamma[member.posterior.groups.of_one_input] = [0.6, 0.4, 0.0]
    member = replace(member, posterior=replace(member.posterior, gamma=gamma))
    assert list(reads(member)) == [True, False, False]


def test_an_input_that_only_more_rows_show_comes_back_and_a_dead_one_does_not() -> None:
    member, objective = member_of_one_input()
    assert list(reads(member)) == [True, False, False]
    narrow = without_dead_inputs(member, objective)
    assert isinstance(narrow.network, PartialNetwork)
    assert list(narrow.network.reads) == [True, True, False]
    # The input that came back begins a short way down the gradient.
    before, after = (
        objective.errors(w)[0]
        for w in (member.posterior.w, narrow.network.spread(narrow.posterior.w))
    )
    assert after < before


def scores_and_steps(member: Member, objective: Objective) -> tuple[np.ndarray, np.ndarray]:
    """z² of each input, and the Newton steps of its coefs by their summed curvature."""
    network, w, rows = member.network, member.posterior.w, objective.rows.whole()
    X, sizes = rows.inputs[1:].T, network.layer_sizes
    e = reference.predict(w, X, sizes, "tanh") - rows.targets.T
    J = reference.complex_step(lambda v: reference.predict(v, X, sizes, "tanh"), w)[:, 0]
    g, H = (network.layers(v)[0][1:] for v in (e[:, 0] @ J, (J**2).sum(axis=0)))
    noise, curvature = max(1 / member.posterior.beta[0], np.mean(e**2)), H.sum(axis=1)
    return (g**2).sum(axis=1) / curvature / noise, -g / curvature[:, np.newaxis]


@pytest.mark.parametrize("beta", [200.0, 20.0])  # less noise than the residuals show, and more
def test_a_dead_input_comes_back_if_its_score_is_worth_it(beta: float) -> None:
    outcomes = set()
    for second in np.linspace(0, 0.06, 13):
        member, objective = member_of_one_input(second, beta)
        scores, steps = scores_and_steps(member, objective)
        returns = scores > WORTH * max(scores[0], 1)  # the only live input has the median score
        narrow = without_dead_inputs(member, objective)
        assert isinstance(narrow.network, PartialNetwork)
        assert list(narrow.network.reads) == [True, *returns[1:]]
        if returns[1]:
            coefs = narrow.network.first_layer(narrow.posterior.w)[2]
            np.testing.assert_allclose(coefs, steps[1], rtol=1e-9)
        outcomes.add(bool(returns[1]))
    assert outcomes == {True, False}


def test_the_posterior_without_dead_inputs_is_that_of_the_whole_network() -> None:
    member, objective = member_of_one_input()
    network = PartialNetwork(member.network, reads(member))
    groups = WeightGroups.by_layer(network, per_input=True)
    w, rng = member.posterior.w[network.kept], np.random.default_rng(1)
    alpha, beta = rng.uniform(0.5, 2, len(groups.names)), np.array([100.0])
    point = Point(w, Objective(network, objective.rows, 0.0).gauss_newton(w))
    narrow = Member(network, laplace(point, groups, alpha, beta, 500.0), True)
    whole = with_all_inputs(narrow, np.ones(len(reads(member)), bool))
    assert whole.network is member.network
    np.testing.assert_array_equal(whole.posterior.w, member.posterior.w)
    expected = laplace(
        Point(whole.posterior.w, objective.gauss_newton(whole.posterior.w)),
        whole.posterior.groups, whole.posterior.alpha, beta, 500.0,
    )  # fmt: skip
    assert whole.posterior.log_evidence == pytest.approx(expected.log_evidence, abs=1e-3)
    np.testing.assert_allclose(whole.posterior.gamma, expected.gamma, rtol=1e-5, atol=1e-5)
    J = rng.normal(size=(member.network.n_parameters, 4))
    np.testing.assert_allclose(
        whole.posterior.variance(J), expected.variance(J), rtol=1e-5, atol=1e-9
    )


@pytest.mark.parametrize("hidden", [(3,), (3, 2)])
def test_a_network_with_more_units_is_nearly_the_same_function(hidden: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    network = Network([4, *hidden, 2], "tanh")
    wider = Network([4, *(2 * n for n in hidden), 2], "tanh")
    w, X = rng.normal(size=network.n_parameters), rng.normal(size=(50, 4))
    v = with_more_units(network, w, wider, np.random.RandomState(0))
    before = reference.predict(w, X, network.layer_sizes, "tanh")
    after = reference.predict(v, X, wider.layer_sizes, "tanh")
    assert 0 < np.abs(after - before).max() < 0.05 * np.abs(before).max()
    for W, V in zip(network.layers(w), wider.layers(v), strict=True):
        np.testing.assert_array_equal(V[: len(W), : W.shape[1]], W)


def test_the_mean_that_is_trained_further_is_of_members_that_differ() -> None:
    rng, sizes = np.random.default_rng(0), (2, 2, 1)
    X, w, v = rng.normal(size=(500, 2)), *rng.normal(size=(2, 9))
    network, f = Network(sizes, "tanh"), reference.predict(w, X, sizes, "tanh")
    objective = Objective(network, Rows(X, f + 0.1 * rng.normal(size=(500, 1))), 0.0)
    groups, alpha = WeightGroups.by_layer(network, per_input=True), np.array([0.1, 0.2, 0.3, 0.4])
    members = []
    for weights, share in ((w, 0.6), (1.05 * w, 0.0), (v, 0.4)):  # the second is nearly the first
        point = Point(weights, objective.gauss_newton(weights))
        posterior = laplace(point, groups, alpha * (1 + share), np.array([100.0]), 500.0)
        members.append(Member(network, calibrated(posterior, objective), True, share))
    solver = EvidenceMaximization(1, np.random.RandomState(0))
    sample = Sample(objective.rows, 500, np.random.RandomState(0))
    growth = Growth(solver, sample, lambda network, rows: Objective(network, rows, 0.0))
    (mean,) = growth._mean_of(members)
    assert mean.network.layer_sizes == (2, 4, 1)
    expected = 0.6 * f + 0.4 * reference.predict(v, X, sizes, "tanh")
    found = reference.predict(mean.posterior.w, X, (2, 4, 1), "tanh")
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    prior = mean.network.layers(mean.posterior.groups.per_parameter(mean.posterior.alpha))
    best = 1.6 * alpha  # the bias of the output has a flat prior
    np.testing.assert_allclose(prior[0], np.repeat([best[[2, 0, 1]]], 4, axis=0).T)
    np.testing.assert_allclose(prior[1], [[0.0], *[[best[3]]] * 4])
    assert growth._mean_of(members[:2]) == []


def grown_from_two_units(*, widen: bool) -> list[Member]:
    """Two units on some rows of a wave, which has four slopes, after the growth to all rows."""
    rng, random = np.random.default_rng(0), np.random.RandomState(0)
    X = rng.uniform(-1, 1, size=(600, 1))
    y = np.sin(6 * X) + 0.05 * rng.normal(size=(600, 1))
    network, sample = Network([1, 2, 1], "tanh"), Sample(Rows(X, y), 100, random)

    def objective_of(network: Network, rows: Rows) -> Objective:
        return Objective(network, rows, 0.0)

    solver, monitor = EvidenceMaximization(40, random), Monitor(tol=0.0, n_iter_no_change=10**9)
    objective = objective_of(network, sample.first)
    w = solver.minimize(objective, network.initial_weights(random, SMALL_WEIGHTS), monitor)
    posterior = solver.posterior(objective, w)
    assert posterior is not None
    growth = Growth(solver, sample, objective_of)
    return growth.run([Member(network, posterior, True)], monitor, widen=widen)


def test_units_are_added_on_all_rows_where_more_are_needed() -> None:
    members = grown_from_two_units(widen=True)
    best = max(members, key=lambda member: member.share)
    assert best.network.layer_sizes[1] > 2
    assert best.n_rows == 600
    assert best.posterior.beta[0] ** -0.5 == pytest.approx(0.05, rel=0.1)  # the noise


def test_a_given_network_gets_no_more_units() -> None:
    (only,) = grown_from_two_units(widen=False)
    assert only.network.layer_sizes == (1, 2, 1)
    assert only.n_rows == 600


@pytest.mark.nightly
def test_useless_inputs_are_left_out_on_the_way_to_all_rows() -> None:
    X = np.random.default_rng(0).normal(size=(6_000, 12))
    f = np.sin(2 * X[:, 0]) + X[:, 1]
    model = SigmoidMLPRegressor(random_state=0)
    y = f + 0.3 * np.random.default_rng(1).normal(size=6_000)
    model.fit(X, y)
    assert max(np.abs(model.coefs_[0][2:]).max(axis=1)) < 0.05 * np.abs(model.coefs_[0][:2]).max()
    mean, std = model.predict(X, return_std=True)
    assert np.sqrt(np.mean((mean - f) ** 2)) < 0.05
    assert np.mean(np.abs(mean - y) < 1.96 * std) == pytest.approx(0.95, abs=0.02)
    assert model.noise_std_ == pytest.approx(0.3, rel=0.05)
    assert {network["n_rows"] for network in model.architectures_} == {FIRST_ROWS, 6_000}


# Fits ---------------------------------------------------------------------------------------

rng = np.random.default_rng(0)
N = 4_000
X = rng.normal(size=(N, 3))
SIGNAL = X @ [1.0, -2.0, 0.5]
Y = SIGNAL + 0.5 * rng.normal(size=N)


@pytest.fixture(scope="module")
def linear() -> SigmoidMLPRegressor:
    return SigmoidMLPRegressor(random_state=0).fit(X, Y)


def test_a_straight_line_stays_one(linear: SigmoidMLPRegressor) -> None:
    ridge = BayesianRidge().fit(X, Y)
    difference = linear.predict(X) - ridge.predict(X)
    assert np.sqrt(np.mean(difference**2)) < 0.05
    y, std = linear.predict(X, return_std=True)
    assert linear.noise_std_ == pytest.approx(0.5, rel=0.05)
    assert np.mean(np.abs(Y - y) < 1.96 * std) == pytest.approx(0.95, abs=0.015)


def test_the_last_networks_know_all_rows(linear: SigmoidMLPRegressor) -> None:
    tried = linear.architectures_
    assert {network["n_rows"] for network in tried} == {FIRST_ROWS, N}
    assert sum(network["share"] for network in tried) == pytest.approx(1)
    assert all(network["n_rows"] == N for network in tried if network["share"] > 0)
    assert linear.n_iter_ == len(linear.loss_curve_)
    residuals = linear.predict(X) - Y
    assert linear.loss_curve_[-1] == pytest.approx(0.5 * np.mean(residuals**2) / Y.var(), rel=1e-6)


def test_it_is_the_same_again_and_elsewhere(linear: SigmoidMLPRegressor) -> None:
    again = SigmoidMLPRegressor(random_state=0).fit(X, Y)
    np.testing.assert_array_equal(flat(again), flat(linear))
    elsewhere = pickle.loads(pickle.dumps(linear))
    np.testing.assert_array_equal(elsewhere.predict(X[:9]), linear.predict(X[:9]))


@pytest.mark.nightly
def test_sparse_rows_are_the_same_rows() -> None:
    sparse = np.where(rng.uniform(size=X.shape) < 0.5, X, 0)
    y = sparse @ [1.0, -2.0, 0.5] + 0.5 * rng.normal(size=N)
    dense = SigmoidMLPRegressor(random_state=0).fit(sparse, y)
    model = SigmoidMLPRegressor(random_state=0).fit(sp.csr_matrix(sparse), y)
    np.testing.assert_allclose(model.predict(sparse), dense.predict(sparse), atol=1e-6)


def test_rows_of_weight_zero_are_not_there() -> None:
    s = np.r_[np.ones(N), np.zeros(500)]
    X_more, y_more = np.vstack([X, 100 + X[:500]]), np.r_[Y, np.full(500, 1e3)]
    model = SigmoidMLPRegressor(random_state=0).fit(X_more, y_more, sample_weight=s)
    assert np.sqrt(np.mean((model.predict(X) - SIGNAL) ** 2)) < 0.1


def test_an_exact_function_is_found_on_some_rows_and_holds_on_all() -> None:
    y = np.tanh(X @ [1.0, 0.5, 0.0])
    model = SigmoidMLPRegressor(activation="tanh", random_state=0).fit(X, y)
    assert np.abs(model.predict(X) - y).max() < 1e-10


@pytest.mark.nightly
def test_a_row_that_the_first_rows_do_not_know_is_seen() -> None:
    # All but a few rows follow a function without noise.
    y = np.tanh(X @ [1.0, 0.5, 0.0])
    y[::400] += 3
    model = SigmoidMLPRegressor(activation="tanh", random_state=0).fit(X, y)
    residual = np.sqrt(np.mean((model.predict(X) - y) ** 2))
    assert model.noise_std_ == pytest.approx(residual, rel=0.1)


@pytest.mark.nightly
def test_several_outputs_and_a_wave() -> None:
    both = np.column_stack([Y, np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=N)])
    model = SigmoidMLPRegressor(random_state=0).fit(X, both)
    assert {network["n_rows"] for network in model.architectures_} == {FIRST_ROWS, N}
    np.testing.assert_allclose(model.noise_std_, [0.5, 0.1], rtol=0.1)


# A given width that is expensive: 50 units, 251 parameters, 63,001 multiplications a row.
MANY = 70_000
X_MANY = np.random.default_rng(1).uniform(-1, 1, size=(MANY, 3))
WAVE = np.sin(4 * X_MANY[:, 0])
Y_MANY = WAVE + 0.3 * np.random.default_rng(2).normal(size=MANY)


@pytest.mark.nightly
def test_a_given_width_begins_on_few_rows() -> None:
    model = SigmoidMLPRegressor((50,), random_state=0).fit(X_MANY, Y_MANY)
    assert model.solver_ == "lm"
    assert [W.shape for W in model.weights_] == [(4, 50), (51, 1)]
    off = model.predict(X_MANY) - WAVE
    assert np.sqrt(np.mean(off**2)) < 0.3 * np.sqrt(251 / MANY)  # were all parameters determined
    assert model.noise_std_ == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize(
    ("hidden", "X", "y"), [("auto", X, Y), ((50,), X_MANY, Y_MANY)], ids=["auto", "given"]
)
@pytest.mark.slow
def test_an_interruption_keeps_what_there_is(
    hidden: Any, X: np.ndarray, y: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(growth, "posterior_at", interrupted)  # with which a level begins
    with pytest.warns(UserWarning, match="interrupted"):
        model = SigmoidMLPRegressor(hidden, random_state=0).fit(X, y)
    prediction, std = model.predict(X, return_std=True)
    assert np.mean(np.abs(y - prediction) < 1.96 * std) == pytest.approx(0.95, abs=0.02)
    assert model.n_iter_ == len(model.loss_curve_)
