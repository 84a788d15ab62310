from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mlp._typing import FloatArray
from sklearn_mlp.activations import ACTIVATIONS
from sklearn_mlp.inspection import ActivationDisplay

from .conftest import ensemble, fitted, legend_texts, network, sklearns

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
y = X[:, 0] + np.sin(X[:, 1])

from_name = ActivationDisplay.from_name
from_estimator = ActivationDisplay.from_estimator

LOGIT_OF_SATURATION = 2 * np.arccosh(np.sqrt(1 / 0.05))
"""σ'(z) = 1 / (4 cosh²(z / 2)) is at 5 % of its peak, a quarter, at plus and minus this z."""

REGIONS: dict[str, list[tuple[float, float]]] = {
    "sigmoid": [(-8, -LOGIT_OF_SATURATION), (LOGIT_OF_SATURATION, 8)],
    "logistic": [(-8, -LOGIT_OF_SATURATION), (LOGIT_OF_SATURATION, 8)],
    # tanh'(z) = 1 / cosh²(z)
    "tanh": [(-8, -LOGIT_OF_SATURATION / 2), (LOGIT_OF_SATURATION / 2, 8)],
    "relu": [(-8, 0)],
    "softplus": [(-8, np.log(0.05 / 0.95))],
    "identity": [],
}


def xy(line: Any) -> tuple[FloatArray, FloatArray]:
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def arguments(display: ActivationDisplay) -> FloatArray:
    return np.asarray(display.arguments, dtype=float)


def bars(display: ActivationDisplay) -> tuple[FloatArray, FloatArray]:
    """The left edges and the heights of the histogram's bars."""
    assert display.histogram_ is not None
    patches = display.histogram_.patches
    return np.array([p.get_x() for p in patches]), np.array([p.get_height() for p in patches])


# Functions by name --------------------------------------------------------------------------


def test_the_sigmoid_and_its_slope_are_drawn(ax: Axes) -> None:
    display = from_name(ax=ax)
    z, value = xy(display.line_)
    np.testing.assert_allclose(value, expit(z), rtol=1e-12)
    z, slope = xy(display.slope_line_)
    np.testing.assert_allclose(slope, expit(z) * expit(-z), rtol=1e-9)
    assert ax.get_xlim() == (z[0], z[-1]) == (-8, 8)
    assert legend_texts(ax) == ["sigmoid", "its slope", "slope below 5 % of its peak"]


def test_the_slope_of_the_sigmoid_peaks_at_a_quarter_at_0(ax: Axes) -> None:
    display = from_name("sigmoid", ax=ax)
    assert display.peak_ is not None
    assert display.peak_label_ is not None
    assert [*map(list, xy(display.peak_))] == [[0.0], [0.25]]
    assert display.peak_label_.get_text() == "peak of the slope: 0.25 at z = 0"
    assert display.peak_.get_color() == display.slope_line_.get_color()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_saturated_is_where_the_slope_is_below_a_share_of_its_peak(
    activation: str, ax: Axes
) -> None:
    display = from_name(activation, ax=ax)
    assert len(display.saturated_) == len(display.saturated_labels_) == len(REGIONS[activation])
    for region, expected in zip(display.saturated_regions_, REGIONS[activation], strict=True):
        assert region == pytest.approx(expected, abs=0.011)  # the spacing of the points
    assert all(text.get_text() == "saturated" for text in display.saturated_labels_)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_only_a_slope_that_peaks_somewhere_has_its_peak_marked(activation: str, ax: Axes) -> None:
    display = from_name(activation, ax=ax)
    assert (display.peak_ is not None) == (activation in ("sigmoid", "logistic", "tanh"))
    assert (display.peak_label_ is not None) == (display.peak_ is not None)


def test_a_peak_outside_the_range_is_not_marked(ax: Axes) -> None:
    assert from_name("sigmoid", z_range=(1, 5), ax=ax).peak_ is None


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus"])
def test_labels_of_regions_are_in_them_and_on_neither_line(activation: str, ax: Axes) -> None:
    display = from_name(activation, ax=ax)
    z, value = xy(display.line_)
    slope = xy(display.slope_line_)[1]
    span = value.max() - value.min()
    for (low, high), label in zip(
        display.saturated_regions_, display.saturated_labels_, strict=True
    ):
        at, height = label.get_position()
        assert at == pytest.approx((low + high) / 2)
        for line in (value, slope):
            assert abs(np.interp(at, z, line) - height) > 0.2 * span


def test_a_larger_share_shades_more(ax: Axes) -> None:
    display = from_name("sigmoid", saturation=0.5, ax=ax)
    edge = 2 * np.arccosh(np.sqrt(2))
    assert display.saturated_regions_[1] == pytest.approx((edge, 8), abs=0.011)
    assert legend_texts(ax)[-1] == "slope below 50 % of its peak"


def test_the_kink_of_relu_is_at_0_in_any_range(ax: Axes) -> None:
    display = from_name("relu", z_range=(-1, np.pi), ax=ax)
    assert display.saturated_regions_ == [(-1, 0)]


def test_a_narrow_region_is_labelled_upright(ax: Axes) -> None:
    display = from_name("sigmoid", z_range=(-5, 20), ax=ax)
    assert [text.get_rotation() for text in display.saturated_labels_] == [90, 0]


def test_names_and_styles_can_be_chosen(ax: Axes) -> None:
    display = from_name(
        "tanh",
        name="the hyperbolic tangent",
        line_kwargs={"c": "red"},
        slope_kwargs={"lw": 4},
        saturated_kwargs={"alpha": 0.5},
        ax=ax,
    )
    assert legend_texts(ax)[0] == "the hyperbolic tangent"
    assert display.line_.get_color() == "red"
    assert display.slope_line_.get_linewidth() == 4
    assert {patch.get_alpha() for patch in display.saturated_} == {0.5}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"activation": "selu"}, "activation must be one of sigmoid, logistic, tanh, relu, soft"),
        ({"z_range": (1, 1)}, "z_range must be two numbers, the smaller first, got"),
        ({"z_range": (1, 2, 3)}, "z_range must be two numbers"),
        ({"z_range": (0, np.inf)}, "z_range must be finite"),
        ({"saturation": 0}, "saturation must be between 0 and 1, got 0"),
        ({"saturation": 1.5}, "saturation must be between 0 and 1, got 1.5"),
    ],
)
def test_bad_arguments_are_named(choices: dict[str, Any], message: str, ax: Axes) -> None:
    with pytest.raises(ValueError, match=message):
        from_name(**{"ax": ax, **choices})
    assert not ax.has_data()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": [0.0, 0.0]}, "z must be two or more numbers, each larger than the one before"),
        ({"z": [0.0]}, "inconsistent numbers of samples"),
        ({"slope": [1.0, np.nan]}, "slope must be finite"),
        ({"value": ["a", "b"]}, "value must be numbers"),
        ({"arguments": []}, "arguments must have shape"),
    ],
)
def test_bad_arrays_are_named(arrays: dict[str, Any], message: str, ax: Axes) -> None:
    good = {"z": [0.0, 1.0], "value": [0.0, 1.0], "slope": [1.0, 1.0]}
    with pytest.raises(ValueError, match=message):
        ActivationDisplay(**{**good, **arrays}).plot(ax)
    assert not ax.has_data()


# Where a network works ----------------------------------------------------------------------


def test_a_model_without_data_is_its_activation(ax: Axes) -> None:
    display = from_estimator(fitted(network(activation="tanh"), X, y), ax=ax)
    z, value = xy(display.line_)
    np.testing.assert_array_equal(value, np.tanh(z))
    assert display.arguments is None
    assert display.histogram_ is None
    assert display.histogram_ax_ is None
    assert display.saturated_share_ is None


@pytest.mark.parametrize("make", [network, sklearns])
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
@pytest.mark.slow
def test_the_arguments_are_those_of_the_units(make: Any, activation: str, ax: Axes) -> None:
    model = fitted(make(activation=activation), X, y)
    f = {"logistic": expit, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}.get(
        activation, lambda z: z
    )
    first = X @ model.coefs_[0] + model.intercepts_[0]
    second = f(first) @ model.coefs_[1] + model.intercepts_[1]
    for layer, expected in [(0, first), (1, second), (-1, second)]:
        display = from_estimator(model, X, layer=layer, ax=ax)
        np.testing.assert_allclose(np.sort(arguments(display)), np.sort(expected.ravel()))


def test_the_histogram_counts_the_arguments(ax: Axes) -> None:
    model = fitted(network(hidden_layer_sizes=3), X, y)
    display = from_estimator(model, X, ax=ax)
    z = X @ model.coefs_[0] + model.intercepts_[0]
    edges, heights = bars(display)
    expected = np.histogram(z, bins=[*edges, 8])[0] / z.size
    np.testing.assert_allclose(heights, expected)
    assert heights.sum() == pytest.approx(1)
    strip = display.histogram_ax_
    assert strip is not None
    assert strip in ax.child_axes
    assert strip.get_xlim() == ax.get_xlim()
    assert strip.get_title() == "arguments of the 3 units of hidden layer 1: 0 % saturated"


def test_the_share_that_is_saturated_is_told(ax: Axes) -> None:
    at = [-100.0, -4.4, -4.3, 0.0, 4.3, 4.4, 5.0, 1e6]
    z = np.linspace(-8, 8, 1_000)
    display = ActivationDisplay(z=z, value=expit(z), slope=expit(z) * expit(-z), arguments=at)
    display.plot(ax)
    assert display.saturated_share_ == 5 / 8
    assert display.histogram_ax_ is not None
    assert display.histogram_ax_.get_title() == "arguments: 62.5 % saturated"
    heights = bars(display)[1]
    assert heights[0] == heights[-1] == 1 / 8  # what lies beyond
    assert heights.sum() == pytest.approx(1)


def test_the_range_holds_nearly_all_arguments(ax: Axes) -> None:
    model = fitted(network(hidden_layer_sizes=3, standardize=False, alpha=0), X, y)
    far = 100 * X
    display = from_estimator(model, far, ax=ax)
    z = far @ model.coefs_[0] + model.intercepts_[0]
    low, high = ax.get_xlim()
    inside = (z >= low) & (z <= high)
    assert inside.mean() >= 0.98
    assert low == pytest.approx(np.quantile(z, 0.005))
    display = from_estimator(model, far, z_range=(-2, 3), ax=Figure().subplots())
    assert display.ax_.get_xlim() == (-2, 3)


def test_many_rows_are_thinned(ax: Axes) -> None:
    model = fitted(network(), X, y)
    display = from_estimator(model, X, subsample=10, ax=ax)
    assert len(arguments(display)) == 10 * 3
    display = from_estimator(model, X, subsample=None, ax=ax)
    assert len(arguments(display)) == 40 * 3


def test_pipelines_and_wrappers_bring_the_data_to_the_network(ax: Axes) -> None:
    model = fitted(
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), sklearns())), X, y
    )
    inner = model[-1][-1]
    expected = StandardScaler().fit_transform(X) @ inner.coefs_[0] + inner.intercepts_[0]
    display = from_estimator(model, X, ax=ax)
    np.testing.assert_allclose(np.sort(arguments(display)), np.sort(expected.ravel()))
    wrapped = fitted(TransformedTargetRegressor(make_pipeline(sklearns()), func=None), X, y)
    assert from_estimator(wrapped, X, ax=ax).histogram_ is not None


def test_any_container_gives_the_same_arguments(ax: Axes) -> None:
    model = fitted(network(), X, y)
    expected = arguments(from_estimator(model, X, ax=ax))
    for same in (X.tolist(), sp.csr_array(X), sp.coo_matrix(X)):
        np.testing.assert_allclose(arguments(from_estimator(model, same, ax=ax)), expected)
    table = pd.DataFrame(X, columns=["age", "bmi", "pulse"])
    on_table = fitted(network(), table, y)
    np.testing.assert_allclose(arguments(from_estimator(on_table, table, ax=ax)), expected)


def test_the_arguments_are_those_of_one_member_of_an_ensemble(ax: Axes) -> None:
    table = pd.DataFrame(X, columns=["age", "bmi", "pulse"])
    model = fitted(ensemble(3), table, y)
    choices: list[tuple[dict[str, Any], int]] = [({}, 0), ({"member": 2}, 2), ({"member": -1}, 2)]
    for choice, member in choices:
        display = from_estimator(model, table, **choice, ax=ax)
        inner = model.estimators_[member]
        expected = X @ inner.coefs_[0] + inner.intercepts_[0]
        np.testing.assert_allclose(np.sort(arguments(display)), np.sort(expected.ravel()))
    with pytest.raises(ValueError, match="member must be 0 to 2, got -4"):
        from_estimator(model, member=-4)


def test_a_classifier_has_activations_too(ax: Axes) -> None:
    model = fitted(MLPClassifier((2,), max_iter=2), X, y > 0)
    assert from_estimator(model, X, ax=ax).line_.get_label() == "relu"


def test_what_is_not_a_network_is_refused() -> None:
    with pytest.raises(ValueError, match="LinearRegression is not a multi-layer perceptron: it"):
        from_estimator(LinearRegression().fit(X, y))
    with pytest.raises(ValueError, match="SigmoidMLPRegressor has no hidden layer to activate"):
        from_estimator(fitted(network(hidden_layer_sizes=()), X, y))
    model = fitted(sklearns(), X, y)
    model.activation = "selu"
    with pytest.raises(ValueError, match="The activation 'selu' is not one of sigmoid, logistic"):
        from_estimator(model)


def test_a_wrong_layer_or_other_data_are_refused() -> None:
    model = fitted(network(), X, y)
    for layer in (2, -3):
        with pytest.raises(ValueError, match=f"layer must be 0 to 1, got {layer}"):
            from_estimator(model, X, layer=layer)
    with pytest.raises(
        ValueError, match="X has 2 features, but SigmoidMLPRegressor is expecting 3"
    ):
        from_estimator(model, X[:, :2])
    with pytest.raises(ValueError, match="subsample must be at least 1, or None, got 0"):
        from_estimator(model, X, subsample=0)
