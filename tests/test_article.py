"""The article's printed numbers, and where its code departs from its mathematics.

"An Introduction to Neural Networks: Multi-Layer Perceptrons" prints the weights that it
starts from, so that its numbers can be had again. What ought to be a derivative is held
against complex steps through a forward pass that is not the package's.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from sklearn_mlp import SigmoidMLPRegressor
from sklearn_mlp._typing import FloatArray
from sklearn_mlp.activations import ACTIVATIONS
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.network import Network, Workspace
from sklearn_mlp.objective import Objective
from sklearn_mlp.rows import Rows
from tests import article, reference

SIZES = (4, 5, 1)
N_FIRST = 25  # weights of the first layer, which come first
START = np.concatenate([W.ravel() for W in article.WEIGHTS])


# The mathematics, apart from the package's ----------------------------------------------


def prediction(w: Any, X: FloatArray) -> Any:
    return reference.predict(w, np.atleast_2d(X), SIZES, "sigmoid")[:, 0]


def loss(w: Any, X: FloatArray, y: FloatArray) -> Any:
    return np.mean((prediction(w, X) - y) ** 2) / 2


def derivative_of_prediction(w: FloatArray, X: FloatArray) -> FloatArray:
    """∂ŷ/∂w by complex steps, of shape (n_parameters, n_rows)."""
    return np.transpose(reference.complex_step(lambda w: prediction(w, X), w)).astype(float)


def derivative_of_loss(w: FloatArray, X: FloatArray, y: FloatArray) -> FloatArray:
    """∂L/∂w by complex steps."""
    return reference.complex_step(lambda w: loss(w, X, y), w).astype(float)


def rmse(w: FloatArray, X: FloatArray, y: FloatArray) -> float:
    return float(np.sqrt(2 * loss(w, X, y)))


def cosine(u: FloatArray, v: FloatArray) -> float:
    return float(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)))


# The article's rule, as its code has it -------------------------------------------------


def with_ones(X: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(X)), X])


def first_layer_sums(
    last: FloatArray,
    inputs: FloatArray,
    h: FloatArray,
    factor: FloatArray,
    *,
    bias_counted_as_a_unit: bool = True,
    laid_out_by_unit: bool = True,
) -> FloatArray:
    """What the article sums for ∂ŷ/∂w of the first layer; with neither slip, that derivative.

    Counting the bias as a unit, each unit is given the output weight of the row before its
    own. Laid out by unit, the matrix has a row for each unit where the weights have one for
    each input.
    """
    delta = h * (1 - h) * (last[:-1] if bias_counted_as_a_unit else last[1:])
    sums = (delta * factor[:, np.newaxis]).T @ inputs
    return (sums if laid_out_by_unit else sums.T).ravel()


class Reading(NamedTuple):
    """A way to read the article's training rule; by default, as its code has it."""

    slips: bool = True
    product_of_means: bool = True
    weights_among_gradients: bool = True

    def error_and_step(
        self, w: FloatArray, X: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The error of each row; and what, times the learning rate, is taken from ``w``."""
        first, last = w[:N_FIRST].reshape(5, 5), w[N_FIRST:]
        inputs = with_ones(X)
        h = 1 / (1 + np.exp(-inputs @ first))
        error = last[0] + h @ last[1:] - y

        factor = np.ones(len(y)) if self.product_of_means else error
        first_sums = first_layer_sums(
            last,
            inputs,
            h,
            factor,
            bias_counted_as_a_unit=self.slips,
            laid_out_by_unit=self.slips,
        )
        sums = np.concatenate([first_sums, factor @ with_ones(h)])
        if not self.product_of_means:
            return error, sums / len(y)
        if self.weights_among_gradients:
            return error, error.mean() * (w + sums) / (len(y) + 1)
        return error, error.mean() * sums / len(y)

    def step(self, w: FloatArray, X: FloatArray, y: FloatArray) -> FloatArray:
        return self.error_and_step(w, X, y)[1]

    def train(
        self, w: FloatArray, X: FloatArray, y: FloatArray, n_epochs: int, rate: float
    ) -> tuple[FloatArray, FloatArray]:
        """The weights after so many epochs, and the RMSE before each."""
        curve = np.empty(n_epochs)
        for epoch in range(n_epochs):
            error, step = self.error_and_step(w, X, y)
            curve[epoch] = np.sqrt(np.mean(error**2))
            w = w - rate * step
        return w, curve


AS_WRITTEN = Reading()
GRADIENT_OF_THE_LOSS = Reading(slips=False, product_of_means=False)


def data(seed: int) -> tuple[FloatArray, FloatArray]:
    return make_hyperplane(article.N_ROWS, random_state=seed, return_X_y=True)


SEEDS = range(12)  # the article's own is not known


def curves(reading: Reading) -> FloatArray:
    """The RMSE before each epoch of the article's training, for 12 draws of its data."""
    n_epochs = len(article.RMSE)
    return np.array(
        [reading.train(START, *data(seed), n_epochs, article.LEARNING_RATE)[1] for seed in SEEDS]
    )


class Runs(NamedTuple):
    """The article's training and its second training at the lower rate, draw by draw."""

    curve: FloatArray
    lower_curve: FloatArray
    predictions: FloatArray


def deviation(printed: FloatArray, sampled: FloatArray) -> FloatArray:
    """How many standard deviations ``printed`` is off, as one more draw of the samples."""
    spread = np.std(sampled, axis=0, ddof=1) * np.sqrt(1 + 1 / len(sampled))
    return np.abs(printed - sampled.mean(axis=0)) / spread


def train_as_the_article(X: FloatArray, y: FloatArray) -> tuple[FloatArray, ...]:
    """The weights at the end, and the two curves that lead there."""
    w, curve = AS_WRITTEN.train(START, X, y, len(article.RMSE), article.LEARNING_RATE)
    w, lower = AS_WRITTEN.train(w, X, y, article.N_LOWER_EPOCHS, article.LOWER_LEARNING_RATE)
    return w, curve, lower


@pytest.fixture(scope="module")
def runs() -> Runs:
    draws = []
    for seed in SEEDS:
        w, curve, lower = train_as_the_article(*data(seed))
        draws.append((curve, lower, prediction(w, article.TABLE[:, :4])))
    return Runs(*map(np.array, zip(*draws, strict=True)))


@pytest.fixture(scope="module")
def stopped() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Where the article stops: X, y and the weights, on one draw of its data."""
    X, y = data(0)
    w, _, _ = train_as_the_article(X, y)
    return X, y, w


# The package, given the article's weights -----------------------------------------------


def forward(w: FloatArray, X: FloatArray) -> FloatArray:
    network = Network(SIZES, "sigmoid")
    workspace = Workspace(SIZES, len(X), X.dtype)
    return network.forward(network.layers(w), with_ones(X).T, workspace)[0].copy()


def jacobian(w: FloatArray, X: FloatArray) -> FloatArray:
    """∂ŷ/∂w, of shape (n_parameters, n_rows)."""
    network = Network(SIZES, "sigmoid")
    workspace = Workspace(SIZES, len(X), X.dtype)
    network.forward(network.layers(w), with_ones(X).T, workspace)
    return network.jacobian(network.layers(w), with_ones(X).T, workspace)[0]


def regressor_at_the_start(**parameters: Any) -> SigmoidMLPRegressor:
    """The article's network: its arithmetic, its step size, its weights to go on from."""
    model = SigmoidMLPRegressor(
        hidden_layer_sizes=(5,),
        solver="gd",
        learning_rate_init=article.LEARNING_RATE,
        alpha=0,
        tol=0,
        standardize=False,
        warm_start=True,
        **parameters,
    )
    model.weights_ = article.WEIGHTS
    return model


# The forward pass -----------------------------------------------------------------------


def test_network_gives_the_printed_prediction() -> None:
    assert forward(START, article.X[np.newaxis]) == pytest.approx([article.PREDICTION], abs=5e-8)


def test_regressor_with_the_printed_weights_gives_the_printed_prediction() -> None:
    y = regressor_at_the_start().predict(article.X[np.newaxis])
    assert y == pytest.approx([article.PREDICTION], abs=5e-8)


def test_bias_row_is_the_intercept_and_the_rows_below_it_are_the_coefficients() -> None:
    model = regressor_at_the_start()
    for W, intercept, coef in zip(article.WEIGHTS, model.intercepts_, model.coefs_, strict=True):
        np.testing.assert_array_equal(intercept, W[0])
        np.testing.assert_array_equal(coef, W[1:])


# The sigmoid ----------------------------------------------------------------------------


def sigmoid_and_slope(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    h, out = z.copy(), np.empty_like(z)
    with np.errstate(over="ignore"):
        ACTIVATIONS["sigmoid"].value(h)
    ACTIVATIONS["sigmoid"].slope(h, out)
    return h, out


def test_slope_of_the_sigmoid_is_its_derivative() -> None:
    z = np.linspace(-10, 10, 101)
    _, slope = sigmoid_and_slope(z)
    np.testing.assert_allclose(
        slope, reference.VALUE["sigmoid"](z + 1e-30j).imag / 1e-30, rtol=1e-10
    )


def test_slope_of_the_sigmoid_has_its_peak_of_a_quarter_at_zero() -> None:
    z = np.linspace(-10, 10, 2001)
    _, slope = sigmoid_and_slope(z)
    assert slope.max() == slope[z == 0] == 0.25
    assert (np.diff(slope[z <= 0]) > 0).all()
    assert (np.diff(slope[z >= 0]) < 0).all()


def test_sigmoid_saturates() -> None:
    value, slope = sigmoid_and_slope(np.array([-1000.0, -10.0, 10.0, 1000.0]))
    assert value == pytest.approx([0, np.exp(-10), 1 - np.exp(-10), 1], abs=3e-9)
    assert slope == pytest.approx([0, np.exp(-10), np.exp(-10), 0], abs=5e-9)


# The data -------------------------------------------------------------------------------


class PrintedRows(np.random.RandomState):
    """Draws the inputs that the article prints."""

    def uniform(self, *args: Any, **kwargs: Any) -> Any:
        return article.TABLE[:, :4]


def test_make_hyperplane_gives_the_printed_values_at_the_printed_inputs() -> None:
    _, y = make_hyperplane(10, random_state=PrintedRows(), return_X_y=True)
    steepest = (0.1 + 0.4 + 0.2 + 1) / 4
    rounding = 5e-7 * (1 + steepest)  # of the value, and of the inputs
    np.testing.assert_allclose(article.TABLE[:, 4], y, rtol=0, atol=rounding)


def test_printed_inputs_are_uniform_and_not_normal() -> None:
    inputs = article.TABLE[:, :4]
    assert ((inputs >= 0) & (inputs < 1)).all()
    chance_if_normal = (norm.cdf(1) - norm.cdf(0)) ** inputs.size
    assert chance_if_normal < 1e-18


def test_make_hyperplane_draws_uniform_inputs() -> None:
    X, _ = data(0)
    assert X.min() >= 0
    assert X.max() < 1
    standard_error = np.sqrt(1 / 12 / len(X))
    assert X.mean(axis=0) == pytest.approx(np.full(4, 0.5), abs=4 * standard_error)
    assert X.var(axis=0) == pytest.approx(np.full(4, 1 / 12), rel=0.05)


@pytest.mark.parametrize("n_units", [4, 5])
def test_network_represents_the_target_exactly(n_units: int) -> None:
    """One unit for each term of the sum; a fifth is left idle."""
    network = Network([4, n_units, 1], "sigmoid")
    w = np.zeros(network.n_parameters)
    first, last = network.layers(w)
    first[1:, :4] = np.diag([0.1, 1, 1, 1])
    last[1:5, 0] = [1, 0.4, -0.2, 1]

    X, y = data(0)
    workspace = Workspace(network.layer_sizes, len(X), X.dtype)
    error = network.forward(network.layers(w), with_ones(X).T, workspace)[0] - y
    # Sums of five terms in whichever order, and exponentials to an ulp or two, round so much.
    assert np.abs(error).max() < 10 * np.finfo(np.float64).eps


# The backward pass ----------------------------------------------------------------------


def test_output_layer_gradient_is_the_printed_one() -> None:
    J = jacobian(START, article.X[np.newaxis])
    np.testing.assert_allclose(J[N_FIRST:, 0], article.OUTPUT_LAYER_GRADIENT, rtol=0, atol=6e-9)


def test_jacobian_is_the_derivative_of_the_prediction() -> None:
    X, _ = make_hyperplane(50, random_state=0, return_X_y=True)
    derivative = derivative_of_prediction(START, X)
    np.testing.assert_allclose(jacobian(START, X), derivative, rtol=1e-13, atol=1e-16)


def test_gradient_is_the_derivative_of_the_loss() -> None:
    X, y = data(0)
    objective = Objective(Network(SIZES, "sigmoid"), Rows(X, y[:, np.newaxis]), alpha=0)
    value, gradient = objective.value_and_gradient(START)
    assert value == pytest.approx(loss(START, X, y), rel=1e-13)
    derivative = derivative_of_loss(START, X, y)
    np.testing.assert_allclose(gradient, derivative, rtol=1e-12)


def test_true_first_layer_gradient_is_not_the_printed_one() -> None:
    true = derivative_of_prediction(START, article.X)[:N_FIRST].reshape(5, 5)
    assert true[0] == pytest.approx([0.17348, -0.19096, 0.12356, -0.20174, -0.06434], abs=5e-6)
    assert np.abs(true - article.FIRST_LAYER_GRADIENT).max() > 0.2
    assert abs(cosine(true.ravel(), article.FIRST_LAYER_GRADIENT.ravel())) < 0.1


def test_printed_first_layer_gradient_is_laid_out_by_unit() -> None:
    """Along a row it goes as the inputs do, which in the weights go along a column."""
    by_unit = np.outer(article.FIRST_LAYER_GRADIENT[:, 0], [1, *article.X])
    np.testing.assert_allclose(article.FIRST_LAYER_GRADIENT, by_unit, rtol=1e-7)


def first_layer_sums_at_x(**slips: bool) -> FloatArray:
    inputs = with_ones(article.X[np.newaxis])
    h = 1 / (1 + np.exp(-inputs @ article.WEIGHTS[0]))
    return first_layer_sums(START[N_FIRST:], inputs, h, np.ones(1), **slips)


def test_both_slips_together_give_the_printed_first_layer_gradient() -> None:
    sums = first_layer_sums_at_x().reshape(5, 5)
    np.testing.assert_allclose(sums, article.FIRST_LAYER_GRADIENT, rtol=0, atol=6e-9)


def test_neither_slip_gives_the_derivative() -> None:
    sums = first_layer_sums_at_x(bias_counted_as_a_unit=False, laid_out_by_unit=False)
    derivative = derivative_of_prediction(START, article.X)[:N_FIRST, 0]
    np.testing.assert_allclose(sums, derivative, rtol=1e-13)


@pytest.mark.parametrize("shift", [True, False])
def test_one_slip_alone_gives_neither(shift: bool) -> None:
    sums = first_layer_sums_at_x(bias_counted_as_a_unit=shift, laid_out_by_unit=not shift)
    derivative = derivative_of_prediction(START, article.X)[:N_FIRST, 0]
    assert np.abs(sums - article.FIRST_LAYER_GRADIENT.ravel()).max() > 0.1
    assert np.abs(sums - derivative).max() > 0.1


# The training rule ----------------------------------------------------------------------


def test_the_rule_as_written_gives_the_printed_curve(runs: Runs) -> None:
    """It is one more draw among draws that differ by less than 1 %, and so is its every fall."""
    assert deviation(article.RMSE, runs.curve).max() < 3
    assert (runs.curve.std(axis=0) < 0.01 * article.RMSE).all()
    assert deviation(np.diff(article.RMSE), np.diff(runs.curve)).max() < 3


def test_the_rule_as_written_gives_the_printed_end_at_the_lower_rate(runs: Runs) -> None:
    assert deviation(np.array(article.LAST_RMSE), runs.lower_curve[:, -1]) < 3
    assert runs.lower_curve[:, -1].std() < 0.01 * article.LAST_RMSE


def test_the_rule_as_written_gives_the_printed_predictions(runs: Runs) -> None:
    assert deviation(article.TABLE[:, 5], runs.predictions).max() < 3
    assert (runs.predictions.std(axis=0) < 1e-3).all()


@pytest.mark.parametrize(
    "reading",
    [
        Reading(slips=False),
        Reading(product_of_means=False),
        GRADIENT_OF_THE_LOSS,
    ],
)
def test_the_rule_with_a_slip_put_right_does_not_give_the_printed_curve(reading: Reading) -> None:
    assert deviation(np.diff(article.RMSE), np.diff(curves(reading))).max() > 30


def test_weights_among_the_gradients_are_lost_among_ten_thousand_rows(runs: Runs) -> None:
    without = curves(Reading(weights_among_gradients=False))
    assert deviation(article.RMSE, without).max() < 3
    assert (np.abs(without - runs.curve) < 1e-3).all()


def test_weights_among_the_gradients_count_where_rows_are_few() -> None:
    X, y = make_hyperplane(5, random_state=0, return_X_y=True)
    stacked = AS_WRITTEN.step(START, X, y)
    plain = Reading(weights_among_gradients=False).step(START, X, y)
    assert np.linalg.norm(stacked - plain) > 0.1 * np.linalg.norm(plain)


def test_the_rule_with_all_slips_put_right_is_the_gradient_of_the_loss() -> None:
    X, y = data(0)
    derivative = derivative_of_loss(START, X, y)
    np.testing.assert_allclose(GRADIENT_OF_THE_LOSS.step(START, X, y), derivative, rtol=1e-12)


def test_the_rule_as_written_is_not_the_gradient_of_the_loss() -> None:
    """In the first layer its first step is at a right angle to it."""
    X, y = data(0)
    step = AS_WRITTEN.step(START, X, y)
    gradient = derivative_of_loss(START, X, y)
    assert np.linalg.norm(step - gradient) > 0.4 * np.linalg.norm(gradient)
    assert abs(cosine(step[:N_FIRST], gradient[:N_FIRST])) < 0.05


def test_mean_error_times_mean_gradient_vanishes_where_the_gradient_of_the_loss_does_not() -> None:
    """Even with the right derivatives: shift the output's bias until the mean error is 0."""
    X, y = data(0)
    w = START.copy()
    w[N_FIRST] -= (prediction(w, X) - y).mean()

    step = Reading(slips=False).step(w, X, y)
    gradient = derivative_of_loss(w, X, y)
    assert np.linalg.norm(step) < 1e-14
    assert np.linalg.norm(gradient) > 1e-3


def test_the_article_stops_where_the_mean_error_vanishes(
    stopped: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    X, y, w = stopped
    error = prediction(w, X) - y
    assert abs(error.mean()) < 1e-7
    assert error.std() == pytest.approx(rmse(w, X, y), rel=1e-9)

    gradient = derivative_of_loss(w, X, y)
    assert np.linalg.norm(gradient) > 5e-3
    assert np.linalg.norm(AS_WRITTEN.step(w, X, y)) < 1e-4 * np.linalg.norm(gradient)


def test_the_article_would_be_no_further_after_200_epochs(
    stopped: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    X, y, w = stopped
    end, _ = AS_WRITTEN.train(w, X, y, 200, article.LEARNING_RATE)
    assert rmse(end, X, y) == pytest.approx(rmse(w, X, y), rel=1e-5)


# How far the architecture goes ----------------------------------------------------------


@pytest.mark.slow
def test_the_gradient_of_the_loss_goes_on_where_the_article_stops() -> None:
    """The same network, weights and step size: RMSE 0.0076 after 2,000 epochs."""
    X, y = data(0)
    model = regressor_at_the_start(max_iter=2_000)
    with pytest.warns(ConvergenceWarning, match="2000 iterations"):
        model.fit(X, y)

    curve = np.sqrt(2 * np.array(model.loss_curve_))
    assert curve[0] == pytest.approx(article.RMSE[0], rel=0.005)
    assert (np.diff(curve) < 0).all()
    assert curve[-1] == pytest.approx(0.0076, abs=1e-4)
    assert curve[-1] < article.LAST_RMSE / 6


def test_a_plane_is_twenty_times_nearer_than_where_the_article_stops() -> None:
    X, y = data(0)
    coefs, *_ = np.linalg.lstsq(with_ones(X), y)
    of_the_plane = np.std(with_ones(X) @ coefs - y)
    assert of_the_plane < article.LAST_RMSE / 20

    model = SigmoidMLPRegressor(hidden_layer_sizes=(), alpha=0, tol=1e-8).fit(X, y)
    assert np.std(model.predict(X) - y) == pytest.approx(of_the_plane, rel=1e-6)


def test_the_printed_predictions_are_three_percent_off() -> None:
    """Where the text guesses at 5 to 10. Half of the variance is explained."""
    y, y_hat = article.TABLE[:, 4:].T
    assert np.mean(np.abs(y_hat - y) / y) == pytest.approx(0.03, abs=1e-3)
    _, values = data(0)
    assert 1 - article.LAST_RMSE**2 / values.var() == pytest.approx(0.52, abs=0.01)


# Slips that any reader meets ------------------------------------------------------------


def test_numpy_does_not_copy_matrices_of_different_shapes_as_one_array() -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        # The wrong argument is what is tested.
        np.copy(article.WEIGHTS)  # type: ignore[arg-type]
