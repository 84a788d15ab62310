from typing import Any

import numpy as np
import pytest
from scipy.special import binom
from scipy.stats import multivariate_normal, norm

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Point
from sklearn_mlp.posterior import FLAT, Group, LaplacePosterior, WeightGroups, calibrated, laplace
from sklearn_mlp.rows import Rows
from tests import reference
from tests.helpers import fitted, precision_of


def test_log_evidence_of_a_linear_model_is_the_density_of_its_data() -> None:
    rng = np.random.default_rng(0)
    Z, t = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))
    network = Network([3, 1], "identity")
    objective = Objective(network, Rows(Z, t), 0.0)
    alpha, beta = 0.7, 2.0
    D = np.column_stack([np.ones(12), Z])
    A = beta * D.T @ D + np.diag([0, alpha, alpha, alpha])
    w = beta * np.linalg.solve(A, D.T @ t[:, 0])
    posterior = laplace(
        Point(w, objective.gauss_newton(w)),
        WeightGroups.by_layer(network, per_input=False),
        np.array([alpha]),
        np.array([beta]),
        12,
    )
    flat = 1e-6  # the precision of an all but flat intercept, whose own density is left out
    covariance = Z @ Z.T / alpha + 1 / flat + np.eye(12) / beta
    expected = multivariate_normal(np.zeros(12), covariance).logpdf(t[:, 0]) - np.log(flat) / 2
    assert posterior.log_evidence == pytest.approx(expected, abs=1e-5)
    assert posterior.gamma[0] == pytest.approx(3 - alpha * np.trace(np.linalg.inv(A)[1:, 1:]))


@pytest.mark.parametrize("sizes", [(3, 4, 1), (3, 4, 2), (3, 3, 3, 2)])
def test_the_posterior_is_that_of_the_dense_gauss_newton_hessian(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    X, s = rng.normal(size=(30, 3)), rng.uniform(0.5, 2, 30)
    network = Network(sizes, "sigmoid")
    w = rng.normal(size=network.n_parameters)
    Y = rng.normal(size=(30, sizes[-1]))
    J = reference.complex_step(lambda v: reference.predict(v, X, sizes, "sigmoid"), w)
    groups = WeightGroups.by_layer(network, per_input=True)
    alpha = rng.uniform(0.5, 2, len(groups.names))
    beta = rng.uniform(0.5, 2, sizes[-1])
    prior = np.append(alpha, 0.0)[groups.labels]
    A = np.einsum("n,k,nkp,nkq->pq", s, beta, J, J) + np.diag(prior)

    sums = Objective(network, Rows(X, Y, s), 0.0).gauss_newton(w)
    posterior = laplace(Point(w, sums), groups, alpha, beta, s.sum())
    np.testing.assert_allclose(precision_of(posterior), A, rtol=1e-9, atol=1e-9)
    inverse = np.linalg.inv(A)
    determined = 1 - prior * np.diag(inverse)
    of_inputs = [determined[groups.labels == g].sum() for g in range(3)]  # in the order of names
    k = sum(min(gamma, 1) for gamma in of_inputs)
    price = k + np.log((3 + 1) * binom(3, k))
    assert posterior.choice_of_inputs == pytest.approx(price)
    j = rng.normal(size=(5, network.n_parameters))
    np.testing.assert_allclose(
        posterior.variance(j.T), np.einsum("np,pq,nq->n", j, inverse, j), rtol=1e-8
    )
    for g, gamma in enumerate(posterior.gamma):
        members = groups.labels == g
        expected = members.sum() - alpha[g] * inverse.diagonal()[members].sum()
        assert gamma == pytest.approx(expected, rel=1e-7, abs=1e-9)
    for k, gamma in enumerate(posterior.gamma_of_output):
        H = np.einsum("n,np,nq->pq", s, J[:, k], J[:, k])
        assert gamma == pytest.approx(beta[k] * np.trace(inverse @ H), rel=1e-7)


def test_error_bars_are_calibrated_by_leaving_out_each_row() -> None:
    rng = np.random.default_rng(0)
    X, s = rng.normal(size=(30, 3)), rng.integers(1, 4, 30).astype(float)
    sizes = (3, 4, 2)
    network = Network(sizes, "sigmoid")
    w = rng.normal(size=network.n_parameters)
    J = reference.complex_step(lambda v: reference.predict(v, X, sizes, "sigmoid"), w)
    Y = reference.predict(w, X, sizes, "sigmoid") + [1.0, 0.1] * rng.standard_t(3, size=(30, 2))
    groups = WeightGroups.by_layer(network, per_input=False)
    alpha, beta = rng.uniform(0.5, 2, len(groups.names)), np.array([1.5, 20.0])
    objective = Objective(network, Rows(X, Y, s), 0.0)
    posterior = laplace(Point(w, objective.gauss_newton(w)), groups, alpha, beta, s.sum())

    A = precision_of(posterior)
    expected, errors, variances = np.zeros(2), np.empty((30, 2)), np.empty((30, 2))
    for i in range(30):  # one copy of each row is unlearnt by a Newton step
        for k in range(2):
            j, e = J[i, k], reference.predict(w, X, sizes, "sigmoid")[i, k] - Y[i, k]
            without = np.linalg.inv(A - beta[k] * np.outer(j, j))
            e_without = e + j @ without @ (beta[k] * e * j)
            errors[i, k], variances[i, k] = e_without, 1 / beta[k] + j @ without @ j
            expected[k] += s[i] * e_without**2 / variances[i, k]
    expected /= s.sum()
    assert expected[0] > 1 > expected[1]
    after = calibrated(posterior, objective)
    np.testing.assert_allclose(after.calibration, [expected[0], 1], rtol=1e-8)
    density = norm.logpdf(errors, scale=np.sqrt(variances * [expected[0], 1]))
    assert after.leave_one_out == pytest.approx(s @ density.sum(axis=1), rel=1e-8)


def test_groups_are_layers_apart_with_inputs_and_outputs_of_their_own() -> None:
    network = Network([2, 2, 1, 2], "sigmoid")
    coarse = network.layers(WeightGroups.by_layer(network, per_input=False).labels.astype(float))
    assert [W.tolist() for W in coarse] == [
        [[1, 1], [0, 0], [0, 0]],
        [[3], [2], [2]],
        [[FLAT, FLAT], [4, 5]],
    ]
    fine = network.layers(WeightGroups.by_layer(network, per_input=True).labels.astype(float))
    assert fine[0].tolist() == [[2, 2], [0, 0], [1, 1]]


def test_groups_are_known_by_name() -> None:
    network = Network([2, 2, 1, 2], "sigmoid")
    assert WeightGroups.by_layer(network, per_input=True).names == (
        Group(0, "coefs", input=0), Group(0, "coefs", input=1), Group(0, "intercepts"),
        Group(1, "coefs"), Group(1, "intercepts"),
        Group(2, "coefs", unit=0), Group(2, "coefs", unit=1),
    )  # fmt: skip


def test_precisions_go_by_the_attributes_that_hold_the_weights() -> None:
    network = Network([2, 2, 1, 2], "sigmoid")
    alpha = np.arange(1.0, 8.0)
    named = WeightGroups.by_layer(network, per_input=True).by_attribute(alpha, 3)
    assert {name: np.ravel(value).tolist() for name, value in named.items()} == {
        "coefs_[0]": [1, 2], "intercepts_[0]": [3], "coefs_[1]": [4], "intercepts_[1]": [5],
        "coefs_[2]": [6, 7], "intercepts_[2]": [0],
    }  # fmt: skip


def test_finer_groups_take_over_the_precisions_of_their_weights() -> None:
    network = Network([3, 2, 1], "sigmoid")
    coarse = WeightGroups.by_layer(network, per_input=False)
    fine = WeightGroups.by_layer(network, per_input=True)
    carried = fine.carried_from(coarse, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(carried, [1, 1, 1, 2, 3])
    np.testing.assert_array_equal(fine.sizes, [2, 2, 2, 2, 2])


def test_the_covariance_is_its_root_times_that_transposed() -> None:
    rng = np.random.default_rng(0)
    network = Network([3, 4, 2], "sigmoid")
    objective = Objective(network, Rows(rng.normal(size=(30, 3)), rng.normal(size=(30, 2))), 0.0)
    w = rng.normal(size=network.n_parameters)
    groups = WeightGroups.by_layer(network, per_input=True)
    alpha, beta = rng.uniform(0.5, 2, len(groups.names)), np.array([1.0, 3.0])
    posterior = laplace(Point(w, objective.gauss_newton(w)), groups, alpha, beta, 30)
    j, M = rng.normal(size=(network.n_parameters, 5)), posterior.covariance_root()
    np.testing.assert_allclose(posterior.variance(j), ((j.T @ M) ** 2).sum(axis=1), rtol=1e-9)
    A = precision_of(posterior)
    np.testing.assert_allclose(A @ M @ M.T, np.eye(network.n_parameters), atol=1e-8)


# Under a fixed penalty -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "hidden"),
    [
        *((name, (n,)) for name in ("sigmoid", "tanh", "identity") for n in (5, 20, 50, 100)),
        *((name, (n,)) for name in ("relu", "softplus") for n in (5, 20)),
        ("sigmoid", (20, 10)),
        ("tanh", (20, 10)),
    ],
    ids=str,
)
@pytest.mark.slow
def test_superfluous_units_are_not_determined_by_the_data(
    activation: str, hidden: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X @ [1, -2, 0.5] + 0.3 * rng.normal(size=60)
    model = fitted(
        SigmoidMLPRegressor(hidden, activation, solver="lm", alpha=1.0, random_state=0), X, y
    )
    residual = np.sqrt(np.mean((model.predict(X) - y) ** 2))
    assert 3.5 < model.n_effective_parameters_ < 6
    assert residual < model.noise_std_ < 1.1 * residual


@pytest.mark.parametrize("alpha", [0.5, "auto"])
def test_copies_in_place_of_weights_leave_the_error_bars(alpha: float | str) -> None:
    rng = np.random.default_rng(0)
    X, s = rng.normal(size=(40, 3)), rng.integers(1, 4, size=40)
    y = np.sin(X[:, 0]) + 0.2 * rng.normal(size=40)
    parameters: dict[str, Any] = {"solver": "lm", "alpha": alpha, "random_state": 0}
    weighted = fitted(SigmoidMLPRegressor((8,), **parameters), X, y, s)
    order = rng.permutation(s.sum())
    copied = fitted(
        SigmoidMLPRegressor((8,), **parameters), X.repeat(s, axis=0)[order], y.repeat(s)[order]
    )
    gamma, noise = weighted.n_effective_parameters_, weighted.noise_std_
    assert copied.n_effective_parameters_ == pytest.approx(gamma, rel=1e-6)
    assert copied.noise_std_ == pytest.approx(noise, rel=1e-6)


def test_no_rows_for_the_noise_are_said() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    with pytest.warns(UserWarning, match="nothing to estimate the noise from"):
        fitted(SigmoidMLPRegressor((8,), solver="lm", alpha=0.0, random_state=0), X, y)


def test_dead_weights_do_not_bury_the_others() -> None:
    # Fewer rows than parameters, and precisions of 1e-10: what a dead group adds must not count.
    rng = np.random.default_rng(0)
    network = Network([4, 6, 1], "sigmoid")
    objective = Objective(network, Rows(rng.normal(size=(20, 4)), rng.normal(size=(20, 1))), 0.0)
    w = rng.normal(size=network.n_parameters)
    network.layers(w)[0][3:5] = 0  # two inputs without a part in the output
    groups = WeightGroups.by_layer(network, per_input=True)
    point = Point(w, objective.gauss_newton(w))

    def posterior_with(dead: float) -> LaplacePosterior:
        alpha = np.array([1e-10, 1e-3, dead, dead, 1e-10, 1e-3])
        return laplace(point, groups, alpha, np.array([1e4]), 20)

    some, all_but_infinite = posterior_with(1e6), posterior_with(1e10)
    assert 0 < some.n_effective_parameters <= 20
    gamma = some.n_effective_parameters
    assert all_but_infinite.n_effective_parameters == pytest.approx(gamma, abs=1e-2)
    assert all_but_infinite.log_evidence == pytest.approx(some.log_evidence, abs=1.0)
