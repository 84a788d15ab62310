import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mlp.network import Network
from sklearn_mlp.objective import Objective, Precisions
from sklearn_mlp.rows import Rows
from tests import reference
from tests.strategies import Problem, problems


@given(problems(), st.floats(0, 10))
@settings(deadline=None)
def test_value_and_gradient_are_the_documented_loss_and_its_derivative(
    problem: Problem, alpha: float
) -> None:
    network = Network(problem.layer_sizes, problem.activation)
    rows = Rows(problem.X, problem.y, problem.s)
    objective = Objective(network, rows, alpha)
    value, gradient = objective.value_and_gradient(problem.w)

    def loss(w: np.ndarray) -> np.number:
        return reference.loss(
            w, problem.X, problem.y, problem.s, alpha, problem.layer_sizes, problem.activation
        )

    assert value == pytest.approx(float(loss(problem.w)), rel=1e-12)
    assert objective.value(problem.w) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(
        gradient, reference.complex_step(loss, problem.w), rtol=1e-10, atol=1e-10
    )


def test_a_minibatch_of_all_rows_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    network = Network([3, 4, 2], "tanh")
    rows = Rows(rng.normal(size=(20, 3)), rng.normal(size=(20, 2)), rng.uniform(1, 2, 20))
    objective = Objective(network, rows, 0.3)
    w = rng.normal(size=network.n_parameters)
    value, gradient = objective.value_and_gradient(w)
    out = np.empty_like(w)
    assert objective.on_minibatches(w, out)(rows.whole()) == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(out, gradient, rtol=1e-13)


def test_the_mean_squared_error_is_the_loss_less_its_penalty() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    network = Network([3, 4, 1], "sigmoid")
    objective = Objective(network, Rows(X, y), 5.0)
    w = rng.normal(size=network.n_parameters)
    value, _ = objective.value_and_gradient(w)
    error = reference.predict(w, X, (3, 4, 1), "sigmoid") - y
    assert objective.mean_squared_error(w, value) == pytest.approx(np.mean(error**2))


@given(problems())
@settings(deadline=None)
def test_gauss_newton_sums_are_those_of_the_jacobian_row_by_row(problem: Problem) -> None:
    network = Network(problem.layer_sizes, problem.activation)
    sums = Objective(network, Rows(problem.X, problem.y, problem.s), 0.0).gauss_newton(problem.w)
    n_parameters, n_outputs = network.n_parameters, problem.layer_sizes[-1]
    E, g = np.zeros_like(sums.E), np.zeros_like(sums.g)
    H = np.zeros((n_outputs, n_parameters, n_parameters))
    for x, target, s in zip(problem.X, problem.y, problem.s, strict=True):

        def predict(w: np.ndarray, x: np.ndarray = x) -> np.ndarray:
            return reference.predict(w, x[None], problem.layer_sizes, problem.activation)[0]

        e, J = predict(problem.w) - target, reference.complex_step(predict, problem.w)
        for k in range(len(e)):
            E[k] += s * e[k] ** 2
            g[k] += s * e[k] * J[k]
            H[k] += s * np.tril(np.outer(J[k], J[k]))
    np.testing.assert_allclose(sums.E, E, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(sums.g, g, rtol=1e-10, atol=1e-10)
    if sums.J is None:
        assert sums.H is not None
        np.testing.assert_allclose(sums.H, H, rtol=1e-10, atol=1e-10)
    else:  # fewer rows than parameters
        assert len(problem.X) * n_outputs < n_parameters
        products = np.tril(np.einsum("kpn,kqn->kpq", sums.J, sums.J))
        np.testing.assert_allclose(products, H, rtol=1e-10, atol=1e-10)


@given(problems())
@settings(deadline=None)
def test_curvature_along_a_step_is_the_second_derivative_of_the_errors(problem: Problem) -> None:
    if problem.activation == "relu":
        problem = problem._replace(activation="tanh")  # with a kink there is no derivative
    network = Network(problem.layer_sizes, problem.activation)
    objective = Objective(network, Rows(problem.X, problem.y, problem.s), 0.0)
    rng = np.random.default_rng(0)
    v = 1e-3 * rng.normal(size=network.n_parameters)
    beta = rng.uniform(0.5, 2, problem.layer_sizes[-1])

    def predict(w: np.ndarray) -> np.ndarray:
        return reference.predict(w, problem.X, problem.layer_sizes, problem.activation)

    h = 1.0
    second = 2 * (predict(problem.w) - predict(problem.w + 1j * h * v).real) / h**2
    J = reference.complex_step(predict, problem.w)
    expected = np.einsum("n,k,nkp,nk->p", problem.s, beta, J, second)
    np.testing.assert_allclose(
        objective.curvature_along(problem.w, v, beta),
        expected,
        rtol=1e-3,
        atol=1e-3 * np.abs(expected).max() + 1e-10,
    )


def test_derivatives_at_other_weights_do_not_rest_on_an_earlier_forward_pass() -> None:
    rng = np.random.default_rng(0)
    network = Network([3, 4, 2], "sigmoid")
    rows = Rows(rng.normal(size=(20, 3)), rng.normal(size=(20, 2)), rng.uniform(1, 2, 20))
    objective = Objective(network, rows, 0.0)
    w = rng.normal(size=network.n_parameters)
    objective.errors(w)
    objective.value_and_gradient(2 * w)  # leaves its own pass in the arrays
    for weights in (w, 3 * w):
        afresh = Objective(network, rows, 0.0).gauss_newton(weights)
        np.testing.assert_array_equal(objective.gauss_newton(weights).g, afresh.g)
        np.testing.assert_array_equal(objective.gauss_newton(weights).H, afresh.H)
        np.testing.assert_allclose(objective.errors(weights), afresh.E, rtol=1e-13)
    w[0] += 1  # in place
    np.testing.assert_array_equal(objective.errors(w), Objective(network, rows, 0.0).errors(w))


@given(problems())
@settings(deadline=None)
def test_the_best_output_layer_is_that_of_penalised_least_squares(problem: Problem) -> None:
    network = Network(problem.layer_sizes, problem.activation)
    objective = Objective(network, Rows(problem.X, problem.y, problem.s), 0.0)
    rng = np.random.default_rng(0)
    beta = rng.uniform(0.5, 2, problem.layer_sizes[-1])
    alpha = rng.uniform(0.1, 2, network.n_parameters)
    w = objective.with_best_output(problem.w, Precisions(beta, alpha))

    np.testing.assert_array_equal(
        w[: network.n_hidden_parameters], problem.w[: network.n_hidden_parameters]
    )
    J = reference.complex_step(
        lambda w: reference.predict(w, problem.X, problem.layer_sizes, problem.activation), w
    )
    e = reference.predict(w, problem.X, problem.layer_sizes, problem.activation) - problem.y
    gradient = np.einsum("n,k,nk,nkp->p", problem.s, beta, e, J) + alpha * w
    size = np.einsum("n,k,nk,nkp->p", problem.s, beta, np.abs(problem.y) + 1, np.abs(J))
    rest = slice(network.n_hidden_parameters, None)
    np.testing.assert_allclose(gradient[rest] / (size[rest] + 1), 0, atol=1e-10)


@pytest.mark.parametrize("hidden", [(), (30,)])
@pytest.mark.parametrize("alpha", [(0.0, 0.0), (0.0, 0.7), (0.3, 0.7)])  # of the bias, of the coefs
def test_the_best_output_layer_of_few_rows_is_that_of_their_copies(
    hidden: tuple[int, ...], alpha: tuple[float, float]
) -> None:
    # Each row several times, of a smaller weight: the same sums, but more rows than inputs.
    rng = np.random.default_rng(0)
    n_rows, network = 9, Network([30, *hidden, 2], "tanh")
    X, Y = rng.normal(size=(n_rows, 30)), rng.normal(size=(n_rows, 2))
    s, w = rng.uniform(0.5, 2, n_rows), rng.normal(size=network.n_parameters)
    prior = np.where(network.is_coef(), alpha[1], alpha[0])
    best = []
    for copies in (1, 5):
        rows = Rows(X.repeat(copies, axis=0), Y.repeat(copies, axis=0), s.repeat(copies) / copies)
        objective = Objective(network, rows, 0.0)
        best.append(objective.with_best_output(w, Precisions(np.array([0.5, 3.0]), prior)))
    np.testing.assert_allclose(best[0], best[1], rtol=1e-8, atol=1e-10)
    assert not np.allclose(best[0], w)


def test_an_output_whose_equations_overflow_stays_as_it_is() -> None:
    network = Network([5, 1], "identity")
    for n_rows in (3, 9):
        rows = Rows(np.full((n_rows, 5), 1e200), np.ones((n_rows, 1)))
        w = np.arange(6.0)
        with np.errstate(over="ignore", invalid="ignore"):
            best = Objective(network, rows, 0.0).with_best_output(
                w, Precisions(np.ones(1), np.ones(6))
            )
        np.testing.assert_array_equal(best, w)
