import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import norm

from sklearn_mlp.network import SMALL_ARGUMENT, Network, PartialNetwork, Workspace
from tests import reference
from tests.strategies import Problem, problems


def run(problem: Problem) -> tuple[Network, list[np.ndarray], np.ndarray, Workspace]:
    """A forward pass."""
    network = Network(problem.layer_sizes, problem.activation)
    inputs = np.vstack([np.ones(len(problem.X)), problem.X.T])
    workspace = Workspace(network.layer_sizes, len(problem.X), np.float64)
    layers = network.layers(problem.w)
    network.forward(layers, inputs, workspace)
    return network, layers, inputs, workspace


@given(problems())
def test_forward_is_input_times_weights_plus_bias_activate(problem: Problem) -> None:
    *_, workspace = run(problem)
    expected = reference.predict(problem.w, problem.X, problem.layer_sizes, problem.activation)
    np.testing.assert_allclose(workspace.prediction.T, expected, rtol=1e-12, atol=1e-12)


@given(problems())
@settings(deadline=None)
def test_jacobian_agrees_with_complex_steps(problem: Problem) -> None:
    network, layers, inputs, workspace = run(problem)
    J = network.jacobian(layers, inputs, workspace)
    expected = reference.complex_step(
        lambda w: reference.predict(w, problem.X, problem.layer_sizes, problem.activation),
        problem.w,
    )
    np.testing.assert_allclose(J.transpose(2, 0, 1), expected, rtol=1e-10, atol=1e-10)


@given(problems())
@settings(deadline=None)
def test_input_gradient_agrees_with_complex_steps(problem: Problem) -> None:
    network, layers, inputs, workspace = run(problem)
    D = network.input_gradient(layers, inputs, workspace)
    for n, x in enumerate(problem.X):
        expected = reference.complex_step(
            lambda x: reference.predict(problem.w, x, problem.layer_sizes, problem.activation), x
        )
        np.testing.assert_allclose(D[:, :, n], expected, rtol=1e-10, atol=1e-10)


@given(problems())
@settings(deadline=None)
def test_gradient_is_the_jacobian_transpose_times_the_error(problem: Problem) -> None:
    network, layers, inputs, workspace = run(problem)
    error = workspace.prediction - problem.y.T
    g = np.empty(network.n_parameters)
    network.gradient(layers, inputs, workspace, error, network.layers(g))
    jacobian = reference.complex_step(
        lambda w: reference.predict(w, problem.X, problem.layer_sizes, problem.activation),
        problem.w,
    )
    expected = np.einsum("nkp,kn->p", jacobian, error)
    np.testing.assert_allclose(g, expected, rtol=1e-10, atol=1e-10)


def test_layers_are_views_with_the_bias_row_first() -> None:
    network = Network([2, 3, 1], "sigmoid")
    w = np.arange(13.0)
    first, second = network.layers(w)
    np.testing.assert_array_equal(first, [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    np.testing.assert_array_equal(second[:, 0], [9, 10, 11, 12])
    first[0, 0] = -1
    assert w[0] == -1
    np.testing.assert_array_equal(network.is_coef(), [0] * 3 + [1] * 6 + [0] + [1] * 3)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus", "identity"])
def test_initial_weights_keep_every_layer_centred_and_of_unit_variance(activation: str) -> None:
    sizes = (100, 200, 200, 200, 50)
    network = Network(sizes, activation)
    rng = np.random.RandomState(0)
    w = network.initial_weights(rng)
    X = rng.standard_normal((2000, sizes[0]))
    for depth in range(1, len(sizes)):
        n_weights = Network(sizes[: depth + 1], activation).n_parameters
        z = reference.predict(w[:n_weights], X, sizes[: depth + 1], activation)
        hidden = depth < len(sizes) - 1
        # Over rows and units together: 2 with the bias of a hidden layer, 1 without.
        assert abs(z.mean()) < 0.25
        assert z.var() == pytest.approx(2 if hidden else 1, rel=0.25)


@pytest.mark.parametrize("n_inputs", [1, 2, 4])
def test_initial_coefs_of_few_inputs_have_the_variance_of_one_over_their_number(
    n_inputs: int,
) -> None:
    network = Network([n_inputs, 10_000, 1], "tanh")
    first, last = network.layers(network.initial_weights(np.random.RandomState(0)))
    assert n_inputs * first[1:].var() == pytest.approx(1, rel=0.08)
    v = norm(scale=np.sqrt(2)).expect(lambda z: np.tanh(z) ** 2)  # the variance of a unit
    assert 10_000 * v * last[1:].var() == pytest.approx(1, rel=0.08)


@pytest.mark.parametrize("sizes", [(4, 3, 1), (4, 7, 5, 6, 2), (2, 3, 3, 3)])
def test_linear_weights_of_linear_units_are_the_linear_function(sizes: tuple[int, ...]) -> None:
    rng = np.random.RandomState(0)
    X, C = rng.standard_normal((20, sizes[0])), rng.standard_normal((sizes[0], sizes[-1]))
    network = Network(sizes, "identity")
    w = network.linear_weights(C, rng)
    np.testing.assert_allclose(reference.predict(w, X, sizes, "identity"), X @ C, atol=1e-12)
    shared = np.linalg.svd(C, compute_uv=False) ** (1 / len(network.shapes))
    for W in network.layers(w):
        singular = np.linalg.svd(W[1:], compute_uv=False)
        np.testing.assert_allclose(singular[: len(shared)], shared, rtol=1e-12)
        np.testing.assert_allclose(singular[len(shared) :], 0, atol=1e-12)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softplus"])
def test_linear_weights_are_nearly_the_linear_function(activation: str) -> None:
    rng = np.random.RandomState(0)
    sizes = (5, 400, 400, 2)
    X, C = rng.standard_normal((200, 5)), rng.standard_normal((5, 2))
    w = Network(sizes, activation).linear_weights(C, rng)
    error = reference.predict(w, X, sizes, activation) - X @ C
    assert (error.std(axis=0) < 0.1 * (X @ C).std(axis=0)).all()


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softplus"])
def test_linear_weights_are_those_of_small_arguments(activation: str) -> None:
    rng = np.random.RandomState(0)
    C = rng.standard_normal((5, 2))
    network = Network((5, 30, 20, 2), activation)
    first, *others = network.layers(network.linear_weights(C, rng))
    value, small = reference.VALUE[activation], norm(scale=SMALL_ARGUMENT)
    mean = small.expect(value)
    slope = small.expect(lambda z: value(z + 1e-30j).imag / 1e-30)  # Stein: E[z f(z)] = σ² E[f'(z)]
    np.testing.assert_allclose(first[0], 0, atol=1e-12)
    for W in others:
        np.testing.assert_allclose(W[0], -mean * W[1:].sum(axis=0), rtol=1e-6, atol=1e-12)
    shared = (np.linalg.svd(C, compute_uv=False) / slope**2) ** (1 / 3)
    for W in (first, *others):
        np.testing.assert_allclose(np.linalg.svd(W[1:], compute_uv=False)[:2], shared, rtol=1e-6)


def test_linear_weights_in_few_units_keep_the_largest_singular_value() -> None:
    rng = np.random.RandomState(0)
    C = rng.standard_normal((4, 3))
    w = Network([4, 1, 3], "identity").linear_weights(C, rng)
    U, S, Vt = np.linalg.svd(C)
    predicted = reference.predict(w, np.eye(4), (4, 1, 3), "identity")
    np.testing.assert_allclose(predicted, S[0] * np.outer(U[:, 0], Vt[0]), atol=1e-12)


def test_initial_weights_follow_the_seed() -> None:
    network = Network([4, 5, 1], "sigmoid")
    draws = [network.initial_weights(np.random.RandomState(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).all()


# Some of the inputs -----------------------------------------------------------------------------


def test_a_partial_network_is_the_whole_one_whose_other_coefs_are_zero() -> None:
    rng = np.random.default_rng(0)
    whole = Network([4, 3, 2, 1], "tanh")
    partial = pickle.loads(pickle.dumps(PartialNetwork(whole, np.array([1, 0, 1, 0], bool))))
    assert partial.layer_sizes == (2, 3, 2, 1)
    w, X = rng.normal(size=partial.n_parameters), rng.normal(size=(6, 4))
    inputs = np.vstack([np.ones(6), X.T])
    spread = partial.spread(w)
    np.testing.assert_array_equal(whole.layers(spread)[0][[2, 4]], 0)
    workspace = Workspace(partial.layer_sizes, 6, np.float64)
    prediction = partial.forward(partial.layers(w), inputs, workspace).copy()
    expected = reference.predict(spread, X, whole.layer_sizes, "tanh")
    np.testing.assert_allclose(prediction.T, expected, rtol=1e-12)
    J = partial.jacobian(partial.layers(w), inputs, workspace)
    whole_J = reference.complex_step(
        lambda v: reference.predict(v, X, whole.layer_sizes, "tanh"), spread
    )
    np.testing.assert_allclose(J.transpose(2, 0, 1), whole_J[..., partial.kept], rtol=1e-10)
    g = np.empty_like(w)
    partial.gradient(partial.layers(w), inputs, workspace, np.ones((1, 6)), partial.layers(g))
    np.testing.assert_allclose(g, J.sum(axis=(0, 2)), rtol=1e-10)


def test_weights_of_inputs_that_do_not_vary_are_0_and_take_no_random_number() -> None:
    varies = np.array([False, True, True, False])
    wide, narrow = Network([4, 3, 2], "tanh"), Network([2, 3, 2], "tanh")
    w = wide.initial_weights(np.random.RandomState(0), 0.5, varies)
    v = narrow.initial_weights(np.random.RandomState(0), 0.5)
    np.testing.assert_array_equal(wide.layers(w)[0][1:][~varies], 0)
    np.testing.assert_array_equal(np.delete(wide.layers(w)[0], [1, 4], axis=0), narrow.layers(v)[0])
    np.testing.assert_array_equal(wide.layers(w)[1], narrow.layers(v)[1])
    for all_alike in (np.ones(4, bool), np.zeros(4, bool)):
        np.testing.assert_array_equal(
            wide.initial_weights(np.random.RandomState(0), 0.5, all_alike),
            wide.initial_weights(np.random.RandomState(0), 0.5),
        )
