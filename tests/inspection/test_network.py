import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib import colormaps
from matplotlib.axes import Axes
from scipy.special import expit
from scipy.stats import norm
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_mlp._typing import FloatArray
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.inspection import NetworkDisplay
from sklearn_mlp.inspection.network import THINNEST

from .conftest import ensemble, fitted, network, sklearns

rng = np.random.default_rng(0)
X = np.array([1.0, 10.0, 0.1]) * rng.normal(size=(40, 3)) + np.array([0.0, 5.0, 1.0])
Y = np.column_stack([X[:, 0] + np.sin(X[:, 1]), 100 * X[:, 2]])
y = 7 * Y[:, 0] + 3
TABLE = pd.DataFrame(X, columns=["age", "bmi", "pulse"])

from_estimator = NetworkDisplay.from_estimator


def random_weights(*sizes: int) -> list[FloatArray]:
    return [rng.normal(size=(a + 1, b)) for a, b in pairwise(sizes)]


def segments(edges: Any) -> FloatArray:
    """From where to where lines go, of shape (n_edges, 2, 2)."""
    return np.asarray(edges.get_segments())


def widths_of(edges: Any) -> FloatArray:
    return np.asarray(edges.get_linewidths())


def heights(nodes: Any) -> FloatArray:
    return np.asarray(nodes.get_offsets())[:, 1]


def texts(labels: Any) -> list[str]:
    return [label.get_text() for label in labels]


def drawn_weights(display: NetworkDisplay, layer: int) -> FloatArray:
    """The matrix that the lines out of a layer show, read from where they start and end."""
    edges = display.edges_[layer]
    sources = heights(display.nodes_[layer])
    if display.bias_nodes_:
        sources = np.append(heights(display.bias_nodes_[layer]), sources)
    targets = heights(display.nodes_[layer + 1])
    W = np.full((len(sources), len(targets)), np.nan)
    for ((x0, y0), (x1, y1)), weight in zip(
        segments(edges), np.asarray(edges.get_array()), strict=True
    ):
        assert (x0, x1) == (layer, layer + 1)
        W[np.flatnonzero(sources == y0), np.flatnonzero(targets == y1)] = weight
    return W


def in_z_scores(model: Any, X: FloatArray, y: FloatArray) -> list[FloatArray]:
    """The weights for inputs and outputs in standard deviations from their means."""
    weights = [np.vstack([b, W]) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
    weights[0][0] += X.mean(axis=0) @ weights[0][1:]
    weights[0][1:] *= X.std(axis=0)[:, np.newaxis]
    weights[-1][0] -= y.mean(axis=0)
    weights[-1] /= y.std(axis=0)
    return weights


# What is drawn ------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(4, 5, 1), (1, 1), (3, 30, 2, 4), (2, 1, 1)], ids=str)
def test_each_weight_is_a_line_from_its_input_to_its_unit(sizes: Any, ax: Axes) -> None:
    weights = random_weights(*sizes)
    display = NetworkDisplay(weights=weights).plot(ax)
    assert [len(heights(nodes)) for nodes in display.nodes_] == list(sizes)
    assert len(display.bias_nodes_) == len(sizes) - 1
    for layer, W in enumerate(weights):
        np.testing.assert_array_equal(drawn_weights(display, layer), W)
    assert display.ellipses_ == [None] * len(sizes)


def test_without_bias_nodes_there_are_only_the_coefficients(ax: Axes) -> None:
    weights = random_weights(3, 4, 2)
    display = NetworkDisplay(weights=weights).plot(ax, bias=False)
    assert display.bias_nodes_ == []
    for layer, W in enumerate(weights):
        np.testing.assert_array_equal(drawn_weights(display, layer), W[1:])
    assert "bias" not in texts(ax.texts)


def test_units_stand_from_top_to_bottom_with_the_bias_above(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(4, 5, 2)).plot(ax)
    for layer, nodes in enumerate(display.nodes_):
        assert (np.diff(heights(nodes)) < 0).all()
        assert (np.asarray(nodes.get_offsets())[:, 0] == layer).all()
        if layer < 2:
            assert heights(display.bias_nodes_[layer])[0] > heights(nodes)[0]
    bottom, top = ax.get_ylim()
    assert bottom < min(heights(nodes).min() for nodes in display.nodes_)
    assert top > max(heights(nodes).max() for nodes in display.bias_nodes_)


def test_nodes_do_not_touch(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(3, 30, 1)).plot(ax)
    points = ax.get_window_extent().height * 72 / ax.figure.dpi / np.ptp(ax.get_ylim())
    diameter = np.sqrt(display.nodes_[1].get_sizes()[0])
    assert diameter < 0.8 * points * np.abs(np.diff(heights(display.nodes_[1]))).min()


def test_width_and_order_are_those_of_the_magnitudes(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(4, 6, 3)).plot(ax, bias=False)
    for edges in display.edges_:
        magnitudes = np.abs(np.asarray(edges.get_array()))
        assert (np.diff(magnitudes) >= 0).all()  # the last is drawn on top
        widths = widths_of(edges)
        assert (np.diff(widths) > 0).all()
        # Linear in the magnitude.
        share = (widths - widths[0]) / np.ptp(widths)
        np.testing.assert_allclose(share, (magnitudes - magnitudes[0]) / np.ptp(magnitudes))
        opacity = np.asarray(edges.get_alpha())
        assert (np.diff(opacity) > 0).all()
        assert opacity[-1] == 1


def strengths(edges: Any) -> FloatArray:
    """How wide each line is, from 0, that of a weight of 0, to 1."""
    widths = widths_of(edges)
    return (widths - THINNEST) / (widths.max() - THINNEST)


def by_weight(edges: Any) -> dict[float, float]:
    """The strength of the line of each weight."""
    return dict(zip(np.asarray(edges.get_array()).tolist(), strengths(edges), strict=True))


def test_a_large_bias_does_not_hide_the_other_weights(ax: Axes) -> None:
    # As of a network in which the evidence has made most inputs irrelevant.
    display = NetworkDisplay(weights=[[[-0.8, 0.4], [0.05, 0.0], [0.025, 0.0]]]).plot(ax)
    edges = display.edges_[0]
    assert edges.get_clim() == (-0.05, 0.05)
    assert texts(display.strongest_labels_) == ["strongest\n0.05"]
    shown = by_weight(edges)
    assert [shown[w] for w in (-0.8, 0.4, 0.05, 0.025)] == pytest.approx([1, 0.5, 1, 0.5])
    assert display.colorbar_ is not None
    assert display.colorbar_.extend == "both"


def test_a_small_bias_is_as_thin_as_a_weight_of_its_size(ax: Axes) -> None:
    display = NetworkDisplay(weights=[[[0.5], [1.0], [-2.0]]]).plot(ax)
    shown = by_weight(display.edges_[0])
    assert [shown[w] for w in (0.5, 1.0, -2.0)] == pytest.approx([0.25, 0.5, 1])


def test_width_is_the_weight_times_the_spread_of_what_passes(ax: Axes) -> None:
    weights = [[[0.0], [1.0], [3.0], [-4.0]]]
    display = NetworkDisplay(weights=weights, spreads=[[4.0, 1.0, 0.0]]).plot(ax)
    shown = by_weight(display.edges_[0])
    assert [shown[w] for w in (1.0, 3.0, -4.0)] == pytest.approx([1, 0.75, 0])
    assert display.edges_[0].get_clim() == (-4, 4)


def test_what_a_unit_contributes_is_divided_among_its_inputs(ax: Axes) -> None:
    # The second unit moves the output half as far as the first, the third not at all.
    weights = [[[0.0, 0, 0], [3.0, 0.01, 9.0], [-4.0, 0.0, 8.0]], [[0.0], [1.0], [5.0], [7.0]]]
    spreads = [[1.0, 1.0], [1.0, 0.1, 0.0]]
    display = NetworkDisplay(weights=weights, spreads=spreads).plot(ax, bias=False)
    shown = by_weight(display.edges_[1])
    assert [shown[w] for w in (1.0, 5.0, 7.0)] == pytest.approx([1, 0.5, 0])
    shown = by_weight(display.edges_[0])
    expected = [0.6 / 0.8, 1, 0.5 / 0.8, 0, 0]  # of 1 (3 : 4), of 0.5, and of nothing
    assert [shown[w] for w in (3.0, -4.0, 0.01, 9.0, 8.0)] == pytest.approx(expected)


def test_a_unit_that_reads_nothing_has_faint_lines(ax: Axes) -> None:
    weights = [[[0.0, 2.0], [1.0, 0.0]], [[0.0], [1.0], [1.0]]]
    display = NetworkDisplay(weights=weights, spreads=[[1.0], [0.2, 0.0]]).plot(ax, bias=False)
    assert strengths(display.edges_[0]).tolist() == [0, 1]


@pytest.mark.parametrize("vmax", ["layer", 4.0])
def test_colours_are_on_a_scale_of_square_roots(vmax: Any, ax: Axes) -> None:
    display = NetworkDisplay(weights=[[[0.0], [4.0], [-1.0], [0.04]]]).plot(ax, vmax=vmax)
    norm: Any = display.edges_[0].norm
    np.testing.assert_allclose(norm([-4, -1, 0, 0.04, 1, 4]), [0, 0.25, 0.5, 0.55, 0.75, 1])
    np.testing.assert_allclose(norm.inverse([0, 0.25, 0.5, 1]), [-4, -1, 0, 4])
    bar: Any = display.colorbar_
    assert bar.norm(0.25 * bar.norm.vmax) == pytest.approx(0.75)


def test_a_drawing_can_be_pickled(ax: Axes) -> None:
    display = pickle.loads(pickle.dumps(NetworkDisplay(weights=random_weights(2, 3, 1)).plot(ax)))
    assert len(display.edges_) == 2


def test_colour_is_the_sign(ax: Axes) -> None:
    display = NetworkDisplay(weights=[[[0.0], [2.0], [-2.0], [1.0], [-1.0]]]).plot(ax)
    edges = display.edges_[0]
    edges.update_scalarmappable()
    weights = np.asarray(edges.get_array())
    colours = np.asarray(edges.get_edgecolor())
    red, blue = colours[:, 0], colours[:, 2]
    assert (red > blue)[weights > 0].all()
    assert (red < blue)[weights < 0].all()
    middle = colormaps["coolwarm"](0.5)
    np.testing.assert_allclose(colours[weights == 0, :3], [middle[:3]], atol=0.01)
    assert edges.get_clim() == (-2, 2)


def test_another_map_can_be_chosen(ax: Axes) -> None:
    display = NetworkDisplay(weights=[[[0.0], [1.0]]]).plot(ax, cmap="PiYG")
    assert display.edges_[0].get_cmap().name == "PiYG"
    assert display.colorbar_ is not None
    assert display.colorbar_.cmap.name == "PiYG"


def test_colours_are_relative_to_the_strongest_of_the_layer(ax: Axes) -> None:
    display = NetworkDisplay(weights=[[[0.0], [-0.25]], [[3.0], [40.0]]]).plot(ax)
    assert [edges.get_clim() for edges in display.edges_] == [(-0.25, 0.25), (-40, 40)]
    assert texts(display.strongest_labels_) == ["strongest\n0.25", "strongest\n40"]
    bar = display.colorbar_
    assert bar is not None
    assert bar.mappable.get_clim() == (-1, 1)
    assert bar.ax.get_ylabel() == "weight\nrelative to the strongest of its layer"


@pytest.mark.parametrize(("vmax", "limit"), [("network", 40), (50, 50), (8.0, 8)])
def test_colours_can_be_those_of_weights_of_any_layer(vmax: Any, limit: float, ax: Axes) -> None:
    display = NetworkDisplay(weights=[[[0.0], [-0.25]], [[3.0], [40.0]]]).plot(ax, vmax=vmax)
    assert [edges.get_clim() for edges in display.edges_] == [(-limit, limit)] * 2
    assert display.strongest_labels_ == []
    bar = display.colorbar_
    assert bar is not None
    assert bar.mappable.get_clim() == (-limit, limit)
    assert bar.ax.get_ylabel() == "weight"
    assert bar.extend == ("both" if limit < 40 else "neither")


def test_what_is_beyond_the_limit_is_as_wide_as_at_the_limit(ax: Axes) -> None:
    display = NetworkDisplay(weights=[[[1.0], [2.0], [9.0]]]).plot(ax, vmax=2)
    widths = widths_of(display.edges_[0])
    assert widths[0] < widths[1] == widths[2]


def test_weights_of_nought_are_drawn(ax: Axes) -> None:
    display = NetworkDisplay(weights=[np.zeros((3, 1))]).plot(ax)
    assert len(segments(display.edges_[0])) == 3
    assert texts(display.strongest_labels_) == ["strongest\n0"]


def test_the_colorbar_can_be_left_out(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(2, 1)).plot(ax, colorbar=False)
    assert display.colorbar_ is None
    assert ax.figure.axes == [ax]


def test_styles_of_lines_and_nodes_can_be_chosen(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(2, 3, 1)).plot(
        ax, edge_kwargs={"linewidths": 7, "alpha": 0.5}, node_kwargs={"fc": "red", "s": 9}
    )
    for edges in display.edges_:
        assert set(widths_of(edges)) == {7}
        assert edges.get_alpha() == 0.5
    for nodes in display.nodes_:
        np.testing.assert_array_equal(nodes.get_facecolor(), [[1, 0, 0, 1]])
        assert nodes.get_sizes().tolist() == [9]


# Large layers -------------------------------------------------------------------------------


def test_a_large_layer_is_summarised_by_its_ends(ax: Axes) -> None:
    weights = random_weights(100, 31, 1)
    display = NetworkDisplay(weights=weights).plot(ax, units="ends")
    assert [len(heights(nodes)) for nodes in display.nodes_] == [12, 12, 1]
    summaries = [None if text is None else text.get_text() for text in display.ellipses_]
    assert summaries == ["… 100 features …", "… 31 units …", None]
    features = [*range(6), *range(94, 100)]
    units = [*range(6), *range(25, 31)]
    assert texts(display.feature_labels_) == [f"x{j}" for j in features]
    expected = weights[0][[0, *(j + 1 for j in features)]][:, units]
    np.testing.assert_array_equal(drawn_weights(display, 0), expected)
    expected = weights[1][[0, *(j + 1 for j in units)]]
    np.testing.assert_array_equal(drawn_weights(display, 1), expected)
    # Relative to the coefficients that are drawn.
    assert display.edges_[1].get_clim()[1] == np.abs(expected[1:]).max()


def test_of_a_large_layer_the_units_that_contribute_most_are_drawn(ax: Axes) -> None:
    weights = [np.zeros((41, 35)), np.zeros((36, 1))]
    few = [2, 3, 5, 8, 13, 14, 15, 20, 21, 22, 30, 34]
    weights[1][1:, 0], weights[1][[unit + 1 for unit in few], 0] = 0.1, -1.0
    inputs = [1, 4, 6, 7, 9, 10, 11, 12, 20, 25, 38, 39]
    weights[0][[j + 1 for j in inputs]] = 1.0
    display = NetworkDisplay(weights=weights).plot(ax)
    assert texts(display.feature_labels_) == [f"x{j}" for j in inputs]
    np.testing.assert_array_equal(drawn_weights(display, 1), [[0.0], *[[-1.0]] * 12])


def test_of_many_inputs_the_most_relevant_are_drawn_if_that_is_known(ax: Axes) -> None:
    importances = np.zeros(40)
    relevant = [0, 3, 9, 16, 17, 21, 25, 29, 30, 36, 37, 38]
    importances[relevant] = np.linspace(0.1, 1, 12)
    display = NetworkDisplay(weights=random_weights(40, 2, 1), importances=importances).plot(ax)
    assert texts(display.feature_labels_) == [f"x{j}" for j in relevant]


def test_the_spread_of_what_passes_decides_which_units_are_drawn(ax: Axes) -> None:
    weights = [np.ones((3, 40)), np.ones((41, 1))]
    spreads = np.r_[np.zeros(20), 1.0, np.zeros(8), np.ones(11)]
    display = NetworkDisplay(weights=weights, spreads=[np.ones(2), spreads]).plot(ax)
    assert len(heights(display.nodes_[1])) == 12
    assert (widths_of(display.edges_[1])[-12:] == widths_of(display.edges_[1]).max()).all()


def test_the_summary_stands_in_the_gap(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(3, 256, 1)).plot(ax)
    text, at = display.ellipses_[1], heights(display.nodes_[1])
    assert text is not None
    assert text.get_position() == pytest.approx((1, (at[5] + at[6]) / 2))
    assert at[5] - at[6] > 3 * (at[0] - at[1])


def test_how_many_units_are_drawn_can_be_chosen(ax: Axes) -> None:
    weights = random_weights(3, 40, 1)
    assert len(heights(NetworkDisplay(weights=weights).plot(ax, max_units=40).nodes_[1])) == 40
    display = NetworkDisplay(weights=weights).plot(ax, max_units=2)
    assert [len(heights(nodes)) for nodes in display.nodes_] == [2, 2, 1]


# Labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((1, 2), ["input\n1 feature", "output\n2 targets"]),
        (
            (4, 5, 1),
            ["input\n4 features\n", "hidden layer\n5 units\ntanh", "output\n1 target\n"],
        ),
        (
            (2, 3, 1, 1),
            [
                "input\n2 features\n",
                "hidden 1\n3 units\ntanh",
                "hidden 2\n1 unit\ntanh",
                "output\n1 target\n",
            ],
        ),
    ],
)
def test_layers_are_labelled(sizes: Any, expected: list[str], ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(*sizes), activation="tanh").plot(ax)
    assert texts(display.layer_labels_) == expected
    assert [label.xy[0] for label in display.layer_labels_] == [*range(len(sizes))]


def test_names_stand_beside_their_nodes(ax: Axes) -> None:
    display = NetworkDisplay(
        weights=random_weights(3, 4, 2),
        feature_names=["age", "bmi", "pulse"],
        output_names=["left", "right"],
    ).plot(ax)
    for labels, nodes, names in [
        (display.feature_labels_, display.nodes_[0], ["age", "bmi", "pulse"]),
        (display.output_labels_, display.nodes_[-1], ["left", "right"]),
    ]:
        assert texts(labels) == names
        np.testing.assert_array_equal([label.xy for label in labels], nodes.get_offsets())


def test_names_by_default_are_letters_and_numbers(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(2, 3)).plot(ax)
    assert texts(display.feature_labels_) == ["x0", "x1"]
    assert texts(display.output_labels_) == ["y0", "y1", "y2"]
    display = NetworkDisplay(weights=random_weights(1, 1)).plot(ax)
    assert texts(display.feature_labels_ + display.output_labels_) == ["x", "y"]


def test_long_names_lose_their_middle(ax: Axes) -> None:
    names = ["median_household_income_2019", "median_household_income_2020", "exactly_18_letters"]
    display = NetworkDisplay(weights=random_weights(3, 1), feature_names=names).plot(ax)
    shown = texts(display.feature_labels_)
    assert shown == ["median_house…_2019", "median_house…_2020", "exactly_18_letters"]
    assert {len(name) for name in shown} == {18}


def test_labels_shrink_where_there_are_many(ax: Axes) -> None:
    few = NetworkDisplay(weights=random_weights(3, 1)).plot(ax).feature_labels_[0]
    many = NetworkDisplay(weights=random_weights(30, 1)).plot(ax).feature_labels_[0]
    assert 3 <= float(many.get_fontsize()) < float(few.get_fontsize()) == 10


# Fitted models ------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam", "sgd", "gd"])
@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
@pytest.mark.parametrize("sizes", [(), (5,), (4, 3)], ids=str)
def test_our_own_weights_are_those_of_z_scores(
    solver: str, targets: FloatArray, sizes: Any, ax: Axes
) -> None:
    model = fitted(network(solver=solver, hidden_layer_sizes=sizes), X, targets)
    display = from_estimator(model, ax=ax)
    for layer, W in enumerate(in_z_scores(model, X, targets)):
        np.testing.assert_allclose(drawn_weights(display, layer), W, rtol=1e-6, atol=1e-9)
    assert display.weight_label == "weight, for z-scores of the data"


def with_units(model: Any, X: FloatArray, location: Any, scale: Any) -> list[FloatArray]:
    """The weights for z-scores of the inputs and for outputs in some units."""
    weights = in_z_scores(model, X, np.array([-1.0, 1.0]))
    weights[-1][0] -= location
    weights[-1] /= scale
    return weights


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "gd"])
def test_the_outputs_of_a_poisson_network_are_as_training_has_them(solver: str, ax: Axes) -> None:
    counts = np.random.default_rng(0).poisson(np.exp(Y[:, 0]))
    model = fitted(network(solver=solver, loss="poisson"), X, counts)
    display = from_estimator(model, ax=ax)
    for layer, W in enumerate(with_units(model, X, 0, 1)):
        np.testing.assert_allclose(drawn_weights(display, layer), W, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_outputs_of_a_robust_network_are_in_the_units_of_its_loss(
    solver: str, ax: Axes
) -> None:
    rows, targets = X[:-1], y[:-1]  # an odd number, which has one median
    model = fitted(network(solver=solver, loss="huber"), rows, targets)
    display = from_estimator(model, ax=ax)
    deviation = 1.4826 * np.median(np.abs(targets - np.median(targets)))
    expected = with_units(model, rows, np.median(targets), deviation)[-1]
    np.testing.assert_allclose(drawn_weights(display, 2), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        network(solver="lm", alpha=1e-3, standardize=False),
        network(solver="adam", standardize=False),
        sklearns(),
    ],
    ids=str,
)
def test_models_that_know_no_z_scores_show_their_weights(model: Any, ax: Axes) -> None:
    fitted(model, X, y)
    display = from_estimator(model, ax=ax)
    for layer, (W, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        np.testing.assert_array_equal(drawn_weights(display, layer), np.vstack([b, W]))
    assert display.weight_label == "weight"
    with pytest.raises(ValueError, match="does not know the z-scores of its data: give X"):
        from_estimator(model, scale="standardized", ax=ax)


def test_raw_weights_can_be_asked_for(ax: Axes) -> None:
    model = fitted(network(solver="lm"), X, y)
    for data in (None, X):
        display = from_estimator(model, data, scale="raw", ax=ax)
        for layer, W in enumerate(model.weights_):
            np.testing.assert_array_equal(drawn_weights(display, layer), W)


@pytest.mark.parametrize("make", [network, sklearns])
@pytest.mark.parametrize("targets", [y, Y], ids=["one output", "two outputs"])
def test_data_standardise_any_model(make: Any, targets: FloatArray, ax: Axes) -> None:
    model = fitted(make(solver="lbfgs"), X, targets)
    for data in (X, sp.csr_array(X)):
        display = from_estimator(model, data, scale="standardized", ax=ax)
        for layer, W in enumerate(in_z_scores(model, X, model.predict(X))):
            np.testing.assert_allclose(drawn_weights(display, layer), W, rtol=1e-9, atol=1e-12)


def test_spreads_are_those_of_the_units_on_the_data(ax: Axes) -> None:
    model = fitted(network(), X, y)
    first = expit(X @ model.coefs_[0] + model.intercepts_[0])
    second = expit(first @ model.coefs_[1] + model.intercepts_[1])
    inputs_of: dict[Any, FloatArray] = {"standardized": np.ones(3), "raw": X.std(axis=0)}
    for scale, inputs in inputs_of.items():
        for data in (X, sp.csr_array(X)):
            display = from_estimator(model, data, scale=scale, ax=ax)
            assert display.spreads is not None
            expected = [inputs, first.std(axis=0), second.std(axis=0)]
            for spread, std in zip(display.spreads, expected, strict=True):
                np.testing.assert_allclose(np.asarray(spread), std, rtol=1e-9)


def test_without_data_spreads_are_those_of_independent_z_scores(ax: Axes) -> None:
    linear = fitted(network(activation="identity", solver="lbfgs"), X, y)
    display = from_estimator(linear, ax=ax)
    W = in_z_scores(linear, X, y)
    assert display.spreads is not None
    np.testing.assert_array_equal(np.asarray(display.spreads[0]), 1)
    expected = np.sqrt((W[0][1:] ** 2).sum(axis=0))
    np.testing.assert_allclose(np.asarray(display.spreads[1]), expected, rtol=0.02)
    raw = from_estimator(linear, scale="raw", ax=ax)
    assert raw.spreads is not None
    np.testing.assert_allclose(np.asarray(raw.spreads[0]), X.std(axis=0))


def test_without_data_the_spread_of_a_sigmoid_is_that_of_a_gaussian_sum(ax: Axes) -> None:
    model = fitted(network(), X, y)
    display = from_estimator(model, ax=ax)
    assert display.spreads is not None
    W = in_z_scores(model, X, y)[0]
    for bias, s, spread in zip(
        W[0], np.sqrt((W[1:] ** 2).sum(axis=0)), np.asarray(display.spreads[1]), strict=True
    ):
        z = norm(bias, s)
        mean = z.expect(expit)
        assert spread == pytest.approx(
            np.sqrt(z.expect(lambda a: expit(a) ** 2) - mean**2), rel=0.02
        )


def test_spreads_that_are_not_known_are_left_out(ax: Axes) -> None:
    assert from_estimator(fitted(sklearns(), X, y), ax=ax).spreads is None


# Relevances ---------------------------------------------------------------------------------


def greys(display: NetworkDisplay) -> FloatArray:
    """How bright each input is, from 0 to 1."""
    return np.asarray(display.nodes_[0].get_facecolor())[:, 0]


def test_the_more_an_input_matters_the_darker_it_is(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(4, 2, 1), importances=[0.1, 0.6, 0.0, 0.3])
    shown = greys(display.plot(ax))
    assert np.argsort(shown).tolist() == [1, 3, 0, 2]
    assert shown[2] == 1
    np.testing.assert_allclose((1 - shown) / (1 - shown[1]), [1 / 6, 1, 0, 0.5])
    assert texts(display.layer_labels_)[0] == "input\n4 features\ndark: relevant"


def test_relevances_are_those_of_the_model(ax: Axes) -> None:
    model = fitted(network(solver="lm"), X, y)
    for estimator in (model, fitted(make_pipeline("passthrough", clone(model)), X, y)):
        display = from_estimator(estimator, ax=ax)
        np.testing.assert_array_equal(np.asarray(display.importances), model.feature_importances_)
    assert from_estimator(fitted(network(loss="huber"), X, y), ax=ax).importances is None


@pytest.mark.parametrize("alias", ["facecolor", "fc", "color", "c"])
def test_a_colour_that_is_chosen_is_kept(alias: str, ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(2, 1), importances=[1.0, 2.0])
    display.plot(ax, node_kwargs={alias: "red"})
    assert (greys(display) == 1).all()
    np.testing.assert_array_equal(np.asarray(display.nodes_[0].get_facecolor())[:, 1], 0)


def test_without_relevance_all_inputs_are_white(ax: Axes) -> None:
    display = NetworkDisplay(weights=random_weights(2, 1), importances=[0.0, 0.0])
    assert (greys(display.plot(ax)) == 1).all()


def test_data_without_spread_count_for_nothing(ax: Axes) -> None:
    constant = X.copy()
    constant[:, 1] = 4
    model = fitted(sklearns(), constant, y)
    display = from_estimator(model, constant, ax=ax)
    assert not drawn_weights(display, 0)[2].any()
    expected = model.intercepts_[0] + constant.mean(axis=0) @ model.coefs_[0]
    np.testing.assert_allclose(drawn_weights(display, 0)[0], expected)
    assert not fitted(network(solver="lm"), constant, y).coefs_[0][1].any()


def test_the_outputs_of_a_classifier_are_not_standardised(ax: Axes) -> None:
    model = fitted(MLPClassifier(hidden_layer_sizes=(3,), max_iter=2), X, y > 0)
    display = from_estimator(model, X, ax=ax)
    expected = np.vstack([model.intercepts_[1], model.coefs_[1]])
    np.testing.assert_array_equal(drawn_weights(display, 1), expected)


@pytest.mark.parametrize("make", [network, sklearns])
def test_names_are_those_of_the_fit(make: Any, ax: Axes) -> None:
    display = from_estimator(fitted(make(), TABLE, y), ax=ax)
    assert texts(display.feature_labels_) == ["age", "bmi", "pulse"]
    assert texts(display.output_labels_) == ["y"]
    display = from_estimator(fitted(make(), X, Y), ax=ax)
    assert texts(display.feature_labels_) == ["x0", "x1", "x2"]
    assert texts(display.output_labels_) == ["y0", "y1"]
    display = from_estimator(
        fitted(make(), TABLE, y), feature_names=list("abc"), output_names=["score"], ax=ax
    )
    assert texts(display.feature_labels_ + display.output_labels_) == ["a", "b", "c", "score"]


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ([StandardScaler()], ["age", "bmi", "pulse"]),
        ([StandardScaler(), PCA(2)], ["pca0", "pca1"]),
        ([FunctionTransformer(np.asarray)], ["x0", "x1", "x2"]),  # which gives no names
        ([], ["age", "bmi", "pulse"]),
    ],
    ids=["scaler", "PCA", "function", "alone"],
)
def test_a_network_at_the_end_of_a_pipeline_is_drawn(
    steps: list[Any], names: list[str], ax: Axes
) -> None:
    model = fitted(make_pipeline(*steps, sklearns()), TABLE, y)
    display = from_estimator(model, ax=ax)
    assert texts(display.feature_labels_) == names
    inner = model[-1]
    expected = np.vstack([inner.intercepts_[0], inner.coefs_[0]])
    np.testing.assert_array_equal(drawn_weights(display, 0), expected)
    reached = model[:-1].transform(TABLE) if steps else TABLE
    expected = in_z_scores(inner, np.asarray(reached), inner.predict(reached))[0]
    display = from_estimator(model, TABLE, ax=ax)
    np.testing.assert_allclose(drawn_weights(display, 0), expected, atol=1e-12)


def test_wrappers_and_nested_pipelines_are_opened(ax: Axes) -> None:
    wrapped = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), network()), transformer=StandardScaler()
    )
    display = from_estimator(fitted(make_pipeline(StandardScaler(), wrapped), TABLE, y), ax=ax)
    assert texts(display.feature_labels_) == ["age", "bmi", "pulse"]
    assert texts(display.layer_labels_)[1] == "hidden 1\n3 units\nsigmoid"


def test_one_member_of_an_ensemble_is_drawn(ax: Axes) -> None:
    model = fitted(ensemble(), TABLE, y)
    for member in (0, 2, -1):
        display = from_estimator(model, TABLE, member=member, ax=ax)
        alone = from_estimator(model.estimators_[member], X, ax=ax)
        np.testing.assert_allclose(drawn_weights(display, 0), drawn_weights(alone, 0))
        assert texts(display.feature_labels_) == ["age", "bmi", "pulse"]
    first = from_estimator(model, ax=ax)
    by_number = from_estimator(model, member=0, ax=ax)
    np.testing.assert_array_equal(drawn_weights(first, 0), drawn_weights(by_number, 0))
    with pytest.raises(ValueError, match="member must be 0 to 2, got 3"):
        from_estimator(model, member=3)


def test_the_articles_network_is_drawn_from_its_data(ax: Axes) -> None:
    table = make_hyperplane(200, random_state=0)
    model = fitted(network(hidden_layer_sizes=(5,)), table[list("abcd")], table["value"])
    display = from_estimator(model, ax=ax)
    assert texts(display.feature_labels_) == list("abcd")
    assert [len(segments(edges)) for edges in display.edges_] == [25, 6]


def test_what_is_not_a_network_is_refused() -> None:
    with pytest.raises(ValueError, match="LinearRegression is not a multi-layer perceptron: it"):
        from_estimator(LinearRegression().fit(X, y))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"max_units": 1}, "max_units must be at least 2, got 1"),
        ({"vmax": 0}, "vmax must be 'layer', 'network' or above 0 and finite, got 0"),
        ({"vmax": "unit"}, "vmax must be 'layer', 'network' or above 0 and finite, got 'unit'"),
        ({"vmax": np.inf}, "vmax must be"),
        ({"scale": "z"}, "scale must be one of auto, standardized, raw, got 'z'"),
        ({"feature_names": ["a"]}, r"feature_names must be 3 names, got \['a'\]"),
        ({"units": "first"}, "units must be one of strongest, ends, got 'first'"),
        ({"output_names": "y"}, "output_names must be 1 names, got 'y'"),
        ({"X": X[:, :2]}, "X has 2 features, but SigmoidMLPRegressor is expecting 3"),
    ],
)
def test_bad_choices_are_named(choices: dict[str, Any], message: str, ax: Axes) -> None:
    with pytest.raises(ValueError, match=message):
        from_estimator(fitted(network(), X, y), **{"ax": ax, **choices})
    assert not ax.has_data()
    assert not ax.texts


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "weights must be matrices of shape"),
        ([[1.0, 2.0]], "weights must be matrices of shape"),
        ([np.ones((3, 2)), np.ones((2, 1))], r"got the shapes \[\(3, 2\), \(2, 1\)\]"),
        ([np.full((2, 1), np.nan)], "weights must be finite"),
    ],
)
def test_bad_weights_are_named(weights: Any, message: str, ax: Axes) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkDisplay(weights=weights).plot(ax)
    assert not ax.has_data()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spreads": [[1.0]]}, r"spreads must be vectors of \[2, 3\] numbers of at least 0"),
        ({"spreads": [[1.0, -1.0], [1.0] * 3]}, "spreads must be vectors of"),
        ({"importances": [1.0]}, "importances must be 2 numbers of at least 0"),
        ({"importances": [1.0, -1.0]}, "importances must be 2 numbers of at least 0"),
    ],
)
def test_bad_spreads_and_relevances_are_named(
    arguments: dict[str, Any], message: str, ax: Axes
) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkDisplay(weights=random_weights(2, 3, 1), **arguments).plot(ax)
    assert not ax.has_data()


@pytest.mark.parametrize("n_hidden", [1, 2, 4])
@pytest.mark.usefixtures("pyplot")
def test_labels_of_layers_do_not_overlap(n_hidden: int) -> None:
    display = NetworkDisplay(
        weights=random_weights(100, *[256] * n_hidden, 1),
        feature_names=["a name that is very long indeed"] * 100,
        activation="softplus",
    ).plot()
    # A figure of its own, never the part of one that types allow for.
    display.figure_.draw_without_rendering()  # type: ignore[union-attr]
    boxes = [label.get_window_extent() for label in display.layer_labels_]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
