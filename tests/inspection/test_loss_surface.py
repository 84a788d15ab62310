from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

# This part of matplotlib has no types.
from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_friedman1
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PolynomialFeatures,
    StandardScaler,
)

from sklearn_mlp import SigmoidMLPEnsembleRegressor, SigmoidMLPRegressor
from sklearn_mlp._typing import FloatArray
from sklearn_mlp.datasets import make_hyperplane
from sklearn_mlp.inspection import LossSurfaceDisplay, _descent
from sklearn_mlp.inspection._plane import leading_plane

from .. import reference
from .conftest import fitted

TABLE = make_hyperplane(60, noise=0.1, random_state=0)
FEATURES = TABLE.drop(columns="value")
X, y = FEATURES.to_numpy(), TABLE["value"].to_numpy()
Y = np.column_stack([y, X[:, 0] ** 2])
SIZES = (4, 3, 1)
SOLVERS = ["gd", "adam", "sgd", "lbfgs", "lm"]
PAIR = ((0, 1, 2), (1, "bias", 0))


@pytest.fixture
def ax_3d() -> Axes:
    return Figure().add_subplot(projection="3d")


def network(*hidden: int, **parameters: Any) -> Any:
    defaults = {"solver": "gd", "learning_rate_init": 0.1, "max_iter": 30, "random_state": 0}
    return SigmoidMLPRegressor(hidden or (3,), **{**defaults, **parameters})


def from_estimator(model: Any, X: Any = X, y: Any = y, **options: Any) -> LossSurfaceDisplay:
    options = {"resolution": 4, "ax": Figure().subplots(), **options}
    return LossSurfaceDisplay.from_estimator(model, X, y, **options)


def bowl(**options: Any) -> LossSurfaceDisplay:
    x = np.linspace(-1, 2, 7)
    path = np.array([[2.0, 1.0], [1.0, 0.2], [0.0, 0.0]])
    defaults = {"x": x, "y": x, "loss": x**2 + 2 * x[:, None] ** 2 + 1, "path": path}
    heights = {"path_loss": path[:, 0] ** 2 + 2 * path[:, 1] ** 2 + 1}
    return LossSurfaceDisplay(**{**defaults, **heights, **options})


def path(display: LossSurfaceDisplay) -> FloatArray:
    return np.asarray(display.path)


def flat(weights: list[FloatArray]) -> FloatArray:
    return np.concatenate([W.ravel() for W in weights])


def z_scores(values: FloatArray) -> FloatArray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def of_z_scores(model: Any) -> FloatArray:
    """The weights that act on z-scores as the fitted ones act on the data."""
    first, *_, last = weights = [W.copy() for W in model.weights_]
    first[0] += X.mean(axis=0) @ first[1:]
    first[1:] *= X.std(axis=0)[:, None]
    last[0] -= y.mean()
    last /= y.std()
    return flat(weights)


# The path -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [PAIR, (PAIR[1], PAIR[0])])
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_path_ends_at_the_fitted_weights(solver: str, weights: Any) -> None:
    model = network(solver=solver, standardize=False)
    display = from_estimator(model, weights=weights)
    first, last = fitted(model, X, y).weights_
    expected = {PAIR[0]: first[2, 2], PAIR[1]: last[0, 0]}
    np.testing.assert_allclose(path(display)[-1], [expected[weight] for weight in weights])


@pytest.mark.parametrize("solver", SOLVERS)
def test_in_z_scores_the_path_ends_at_what_the_fitted_weights_are_there(solver: str) -> None:
    model = network(solver=solver)
    display = from_estimator(model, weights=PAIR)
    W = reference.split(of_z_scores(fitted(model, X, y)), SIZES)
    np.testing.assert_allclose(path(display)[-1], [W[0][2, 2], W[1][0, 0]], rtol=1e-9)


def test_the_path_of_gradient_descent_follows_the_gradient() -> None:
    model = network(standardize=False, alpha=0.1)
    display = from_estimator(model, weights=PAIR)
    assert len(path(display)) == 31  # the start, and 30 steps
    s = np.ones(len(y))

    def loss(w: Any) -> Any:
        return reference.loss(w, X, y[:, None], s, 0.1, SIZES, "sigmoid")

    before_last = flat(fitted(clone(model).set_params(max_iter=29), X, y).weights_)
    gradient = reference.split(reference.complex_step(loss, before_last), SIZES)
    step = -0.1 * np.array([gradient[0][2, 2], gradient[1][0, 0]])
    np.testing.assert_allclose(np.diff(path(display)[-2:], axis=0), [step], rtol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_path_starts_where_training_does(solver: str) -> None:
    alpha = 0.1 if solver == "lm" else 0.0
    model = network(solver=solver, alpha=alpha, standardize=False, max_iter=5, warm_start=True)
    fitted(model, X, y)
    start = [model.weights_[0][2, 2], model.weights_[1][0, 0]]
    np.testing.assert_allclose(path(from_estimator(model, weights=PAIR))[0], start)


def test_of_several_attempts_the_one_that_was_kept_is_drawn() -> None:
    model = network(n_init=4, max_iter=10, standardize=False)
    display = from_estimator(model, weights=PAIR)
    fitted(model, X, y)
    assert len(path(display)) == 11
    assert path(display)[-1] == pytest.approx([model.weights_[0][2, 2], model.weights_[1][0, 0]])


def test_the_path_under_early_stopping_ends_at_the_best_weights() -> None:
    model = network(solver="adam", early_stopping=True, tol=1.0, standardize=False)
    display = from_estimator(model, weights=PAIR)
    fitted(model, X, y)
    assert path(display)[-1] == pytest.approx([model.weights_[0][2, 2], model.weights_[1][0, 0]])
    best = int(np.argmax(model.validation_scores_))
    assert len(path(display)) == best + 2  # the start, and the weights after each epoch


def test_a_long_path_is_thinned_and_keeps_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(max_iter=400, tol=0, standardize=False)
    whole = path(from_estimator(model, weights=PAIR))
    monkeypatch.setattr(_descent, "MOST_POINTS", 60)
    thinned = path(from_estimator(model, weights=PAIR))
    assert len(whole) == 401
    assert 30 <= len(thinned) <= 61
    np.testing.assert_array_equal(thinned[[0, -1]], whole[[0, -1]])
    np.testing.assert_array_equal(thinned[:-1], whole[::8][: len(thinned) - 1])


def test_the_estimator_stays_as_it_was() -> None:
    model = network()
    from_estimator(model)
    assert not hasattr(model, "weights_")
    assert fitted(model, X, y).noise_std_ > 0  # which is computed when first asked for
    before = dict(vars(model))
    from_estimator(model, y=-y)
    assert vars(model) == before


NONE_AND_SECOND: list[tuple[dict[str, Any], int]] = [({}, 0), ({"member": 1}, 1)]


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: make_pipeline("passthrough", m)])
def test_one_member_of_an_ensemble_is_trained(wrap: Callable[[Any], Any]) -> None:
    ensemble = SigmoidMLPEnsembleRegressor(network(standardize=False), 2, random_state=0)
    model = fitted(wrap(ensemble), FEATURES, y)
    members = (model[-1] if isinstance(model, Pipeline) else model).estimators_
    for choice, member in NONE_AND_SECOND:
        display = from_estimator(model, FEATURES, weights=((0, "b", 2), PAIR[1]), **choice)
        first, last = members[member].weights_
        assert path(display)[-1] == pytest.approx([first[2, 2], last[0, 0]])
        assert display.x_label == "weight from b to hidden unit 2"
    with pytest.raises(ValueError, match="member must be 0 to 1, got 2"):
        from_estimator(model, member=2)
    assert len(members) == 2


# The plane ----------------------------------------------------------------------------------


def test_the_plane_shows_what_the_path_varies_most_in() -> None:
    model = network(standardize=False)
    display = from_estimator(model)
    steps = [flat(fitted(clone(model).set_params(max_iter=n), X, y).weights_) for n in range(1, 31)]
    moved = np.array(steps) - steps[-1]
    # The start is known by its coordinates alone, so it is left out on either side.
    inside = path(display)[1:]
    all_of_it = (moved**2).sum()
    assert (inside**2).sum() <= all_of_it * (1 + 1e-9)
    assert (inside**2).sum() > 0.95 * all_of_it
    np.testing.assert_allclose(inside[-1], 0, atol=1e-12)
    distances = np.linalg.norm(moved, axis=1)
    assert (np.linalg.norm(inside, axis=1) <= distances * (1 + 1e-9)).all()


def test_the_path_starts_at_the_upper_left() -> None:
    for seed in range(4):
        start = path(from_estimator(network(random_state=seed)))[0]
        assert start[0] < 0 < start[1]


def test_the_labels_tell_the_share_of_the_variance() -> None:
    display = from_estimator(network())
    shares = (path(display) ** 2).sum(axis=0)
    for label, which in ((display.x_label, "leading"), (display.y_label, "second")):
        assert label.startswith(f"{which} direction of the path\n(")
        assert label.endswith(" % of its variance)")
    said = [float(lab.split("(")[1].split()[0]) for lab in (display.x_label, display.y_label)]
    assert said[0] > said[1]
    assert sum(said) <= 100.1
    assert said[1] == pytest.approx(said[0] * shares[1] / shares[0], abs=0.06)  # rounded


def test_a_straight_path_has_a_plane(ax: Axes) -> None:
    display = from_estimator(network(max_iter=1), ax=ax)
    assert len(path(display)) == 2
    np.testing.assert_allclose(path(display)[:, 1], 0, atol=1e-12)
    assert "100.0 %" in display.x_label
    assert np.ptp(np.asarray(display.y)) == pytest.approx(np.ptp(np.asarray(display.x)))


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_the_plane_spans_the_path_and_a_margin(margin: float, ax: Axes) -> None:
    display = from_estimator(network(), weights=PAIR, margin=margin, resolution=7, ax=ax)
    low, high = path(display).min(axis=0), path(display).max(axis=0)
    extent = high - low
    for values, k in ((display.x, 0), (display.y, 1)):
        values = np.asarray(values)
        assert len(values) == 7
        ends = [low[k] - margin * extent[k], high[k] + margin * extent[k]]
        np.testing.assert_allclose(values[[0, -1]], ends)
    np.testing.assert_allclose(ax.get_xlim(), np.asarray(display.x)[[0, -1]])
    np.testing.assert_allclose(ax.get_ylim(), np.asarray(display.y)[[0, -1]])


# The loss -----------------------------------------------------------------------------------


def textbook(
    model: Any, display: LossSurfaceDisplay, data: Any, s: FloatArray, alpha: float, w: FloatArray
) -> FloatArray:
    """The loss on the grid of the plane of the weights in PAIR, from the textbook."""
    X, targets = data
    losses = []
    for b in np.asarray(display.y):
        for a in np.asarray(display.x):
            w = w.copy()
            first, last = reference.split(w, SIZES)
            first[2, 2], last[0, 0] = a, b
            losses.append(reference.loss(w, X, targets[:, None], s, alpha, SIZES, "sigmoid"))
    return np.array(losses).reshape(len(np.asarray(display.y)), -1)


@pytest.mark.parametrize("solver", ["gd", "adam", "lm"])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_the_loss_is_that_of_the_textbook(solver: str, alpha: float) -> None:
    model = network(solver=solver, alpha=alpha, standardize=False)
    display = from_estimator(model, weights=PAIR)
    w = flat(fitted(model, X, y).weights_)
    expected = textbook(model, display, (X, y), np.ones(len(y)), alpha, w)
    np.testing.assert_allclose(np.asarray(display.loss), expected, rtol=1e-9)
    assert display.loss_label == "loss"


def test_in_z_scores_the_loss_is_that_of_z_scores() -> None:
    model = network(alpha=0.3)
    display = from_estimator(model, weights=PAIR)
    data, w = (z_scores(X), z_scores(y)), of_z_scores(fitted(model, X, y))
    expected = textbook(model, display, data, np.ones(len(y)), 0.3, w)
    np.testing.assert_allclose(np.asarray(display.loss), expected, rtol=1e-9)


def test_rows_count_by_their_weights() -> None:
    s = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    model = network(alpha=0.3, standardize=False)
    display = from_estimator(model, weights=PAIR, sample_weight=s)
    w = flat(fitted(model, X, y, s).weights_)
    expected = textbook(model, display, (X, y), s, 0.3, w)
    np.testing.assert_allclose(np.asarray(display.loss), expected, rtol=1e-9)
    pipeline = make_pipeline("passthrough", make_pipeline("passthrough", model))
    behind = from_estimator(pipeline, weights=PAIR, sample_weight=s)
    np.testing.assert_allclose(np.asarray(behind.loss), expected, rtol=1e-9)


def test_where_the_evidence_sets_the_penalty_the_loss_has_none() -> None:
    model = network(solver="lm", standardize=False)
    display = from_estimator(model, weights=PAIR)
    w = flat(fitted(model, X, y).weights_)
    expected = textbook(model, display, (X, y), np.ones(len(y)), 0.0, w)
    np.testing.assert_allclose(np.asarray(display.loss), expected, rtol=1e-9)
    assert display.loss_label == "loss, without a penalty"
    heights = np.asarray(display.path_loss)
    assert heights[-1] == pytest.approx(np.mean((model.predict(X) - y) ** 2) / 2)


@pytest.mark.nightly
def test_the_height_of_the_path_is_the_loss_of_the_plane_under_it() -> None:
    display = from_estimator(network(), resolution=200)
    at = path(display)[3]
    i, j = np.searchsorted(np.asarray(display.x), at[0]), np.searchsorted(display.y, at[1])
    corners = np.asarray(display.loss)[j - 1 : j + 1, i - 1 : i + 1]
    assert corners.min() <= np.asarray(display.path_loss)[3] <= corners.max()


def test_several_outputs_have_one_loss() -> None:
    model = network(standardize=False, alpha=0.0)
    display = from_estimator(model, y=Y, weights=((1, 0, 0), (1, 0, 1)))
    residuals = fitted(model, X, Y).predict(X) - Y
    heights = np.asarray(display.path_loss)
    assert heights[-1] == pytest.approx((residuals**2).sum() / (2 * len(Y)))
    assert display.x_label == "weight from hidden unit 0 to output 0"


def test_float32_data_are_drawn_like_float64() -> None:
    display = from_estimator(network(), X.astype(np.float32), weights=PAIR)
    expected = from_estimator(network(), weights=PAIR)
    np.testing.assert_allclose(path(display), path(expected), rtol=1e-3)
    np.testing.assert_allclose(np.asarray(display.loss), np.asarray(expected.loss), rtol=1e-3)


# Pipelines and names ------------------------------------------------------------------------


def test_a_pipeline_is_trained_as_a_whole() -> None:
    pipeline = make_pipeline(MinMaxScaler(), network(standardize=False))
    display = from_estimator(pipeline, FEATURES, weights=((0, "b", 2), (1, "bias", 0)))
    scaled = MinMaxScaler().fit_transform(X)
    alone = from_estimator(network(standardize=False), scaled, weights=PAIR)
    np.testing.assert_allclose(path(display), path(alone), rtol=1e-9)
    np.testing.assert_allclose(np.asarray(display.loss), np.asarray(alone.loss), rtol=1e-9)
    assert display.x_label == "weight from b to hidden unit 2"


@pytest.mark.parametrize(
    ("data", "steps", "label"),
    [
        (FEATURES, [], "weight from d to hidden unit 0"),
        (X, [], "weight from x3 to hidden unit 0"),
        (X, [MinMaxScaler()], "weight from x3 to hidden unit 0"),
        (FEATURES, [PolynomialFeatures(2)], "weight from c to hidden unit 0"),
        (X, [FunctionTransformer(np.exp)], "weight from x3 to hidden unit 0"),
        (FEATURES, [FunctionTransformer(np.asarray)], "weight from x3 to hidden unit 0"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_the_names_are_those_of_what_reaches_the_network(
    data: Any, steps: list[Any], label: str, nested: bool
) -> None:
    model = network(standardize=False, max_iter=2)
    pipeline = make_pipeline(*steps, model)
    if nested:
        pipeline = make_pipeline(MinMaxScaler(), pipeline)
    display = from_estimator(pipeline, data, weights=((0, 3, 0), (1, 0, 0)))
    assert display.x_label == label


def test_names_are_those_of_the_table_that_a_step_gives() -> None:
    model = network(standardize=False, max_iter=2)
    pipeline = make_pipeline(FunctionTransformer(np.exp), model)
    display = from_estimator(pipeline, FEATURES, weights=((0, "d", 0), (1, 0, 0)))
    assert display.x_label == "weight from d to hidden unit 0"


@pytest.mark.parametrize(
    ("data", "hidden", "weight", "label"),
    [
        (FEATURES, (3,), (0, "d", 1), "weight from d to hidden unit 1"),
        (FEATURES, (3,), (0, 3, 1), "weight from d to hidden unit 1"),
        (X, (3,), (0, 3, 1), "weight from x3 to hidden unit 1"),
        (X, (3,), (0, "bias", 0), "bias of hidden unit 0"),
        (X, (3,), (1, 2, 0), "weight from hidden unit 2 to the output"),
        (X, (3,), (1, "bias", 0), "bias of the output"),
        (X, (3, 2), (1, 2, 1), "weight from unit 2 of hidden layer 0 to unit 1 of hidden layer 1"),
        (
            FEATURES.rename(columns={"a": "bias"}),
            (3,),
            (0, "bias", 0),
            "weight from bias to hidden",
        ),
    ],
)
def test_weights_have_names(data: Any, hidden: Any, weight: Any, label: str) -> None:
    model = network(*hidden, standardize=False, max_iter=2)
    display = from_estimator(model, data, weights=(weight, (0, 2, 1)))
    assert display.x_label.startswith(label)
    assert display.y_label.startswith("weight from")


def test_z_scores_are_told_where_they_matter() -> None:
    model = network(3, 2, max_iter=2)
    display = from_estimator(model, weights=((0, 0, 0), (1, 0, 0)))
    assert display.x_label == "weight from x0 to unit 0 of hidden layer 0\n(of z-scores)"
    assert display.y_label == "weight from unit 0 of hidden layer 0 to unit 0 of hidden layer 1"


# What is drawn ------------------------------------------------------------------------------


def test_contours_and_the_path_with_its_ends(ax: Axes) -> None:
    display = bowl(x_label="one", y_label="two", loss_label="height").plot(ax)
    assert isinstance(display.surface_, QuadContourSet)
    assert display.surface_.filled
    assert display.contours_ is not None
    assert not display.contours_.filled
    assert display.path_ is not None
    assert display.start_ is not None
    assert display.end_ is not None
    np.testing.assert_array_equal(display.path_.get_xydata(), path(display))
    np.testing.assert_array_equal(display.start_.get_xydata(), path(display)[:1])
    np.testing.assert_array_equal(display.end_.get_xydata(), path(display)[-1:])
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["start", "end"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("one", "two")
    assert display.colorbar_ is not None
    assert display.colorbar_.ax.get_ylabel() == "height"
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_a_small_range_has_levels_of_equal_distance(ax: Axes) -> None:
    display = bowl().plot(ax)
    levels = np.asarray(display.surface_.levels)
    assert not isinstance(display.surface_.norm, LogNorm)
    np.testing.assert_allclose(levels[[0, -1]], [1, 13])
    np.testing.assert_allclose(np.diff(levels), np.diff(levels)[0])


@pytest.mark.parametrize("least", [0.0, 1e-12, 1e-3])
def test_a_large_range_has_levels_of_equal_ratio(least: float, ax: Axes) -> None:
    loss = np.asarray(bowl().loss) - 1 + least
    display = bowl(loss=loss).plot(ax)
    levels = np.asarray(display.surface_.levels)
    assert isinstance(display.surface_.norm, LogNorm)
    np.testing.assert_allclose(levels[[0, -1]], [max(least, 1e-30), 12 + least])
    np.testing.assert_allclose(np.diff(np.log(levels)), np.diff(np.log(levels))[0])
    assert display.colorbar_ is not None
    ticks = display.colorbar_.get_ticks()
    assert len(ticks) >= 3
    assert all(levels[0] <= tick <= levels[-1] for tick in ticks)
    texts = [text.get_text() for text in display.colorbar_.ax.get_yticklabels()]
    np.testing.assert_allclose([float(text) for text in texts], ticks, rtol=1e-5)


def test_a_flat_surface_is_drawn(ax: Axes) -> None:
    display = bowl(loss=np.ones((7, 7))).plot(ax)
    levels = np.asarray(display.surface_.levels)
    assert levels[0] < 1 < levels[-1]


def test_a_surface_has_the_path_on_it(ax_3d: Any) -> None:
    display = bowl(loss_label="height").plot(ax_3d, kind="surface")
    assert isinstance(display.surface_, Poly3DCollection)
    path_: Any = display.path_
    expected = np.column_stack([path(display), np.asarray(display.path_loss)])
    np.testing.assert_array_equal(np.column_stack(path_.get_data_3d()), expected)
    end: Any = display.end_
    np.testing.assert_array_equal(np.ravel(end.get_data_3d()), expected[-1])
    assert ax_3d.get_zlabel() == "height"
    assert display.colorbar_ is None
    assert display.contours_ is None


def test_the_height_of_a_surface_of_large_range_is_a_logarithm(ax_3d: Any) -> None:
    loss = np.asarray(bowl().loss) - 1 + 1e-3
    display = bowl(loss=loss, path_loss=[6.0, 1.0, 1e-20]).plot(ax_3d, kind="surface")
    path_: Any = display.path_
    heights = path_.get_data_3d()[2]
    # The surface ends where its grid does, and the path with it.
    np.testing.assert_allclose(heights, np.log10([6, 1, loss.min()]))
    assert ax_3d.zaxis.get_major_formatter()(-2.0) == "0.01"


@pytest.mark.parametrize("kind", ["contour", "surface"])
def test_a_surface_needs_no_path(kind: Any) -> None:
    projection = {"projection": "3d"} if kind == "surface" else None
    ax = Figure().subplots(subplot_kw=projection)
    display = bowl(path=None, path_loss=None).plot(ax, kind=kind)
    assert (display.path_, display.start_, display.end_) == (None, None, None)
    assert ax.get_legend() is None


def test_the_steps_of_a_short_path_are_marked(ax: Axes) -> None:
    short, long = (
        bowl().plot(ax).path_,
        bowl(path=np.zeros((500, 2)), path_loss=None).plot(ax).path_,
    )
    assert short is not None
    assert long is not None
    assert (short.get_marker(), long.get_marker()) == ("o", "None")


def test_styles_can_be_chosen(ax: Axes) -> None:
    display = bowl().plot(ax, path_kwargs={"c": "black", "lw": 5}, contour_kwargs={"levels": [2.0]})
    assert display.path_ is not None
    assert display.end_ is not None
    assert display.contours_ is not None
    assert display.path_.get_linewidth() == 5
    assert display.end_.get_color() == "black"
    assert list(display.contours_.levels) == [2.0]
    other = bowl().plot(ax, cmap="gray").surface_
    assert to_rgba(other.get_cmap()(0.0)) == (0, 0, 0, 1)


# Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (LinearRegression(), "LinearRegression"),
        (make_pipeline(StandardScaler(), LinearRegression()), "LinearRegression"),
        (TransformedTargetRegressor(network()), "TransformedTargetRegressor"),
        (SigmoidMLPEnsembleRegressor(network()), "SigmoidMLPEnsembleRegressor"),
    ],
)
def test_a_model_that_is_no_network_is_refused(model: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"There is no loss surface of {name}: it needs a Sig"):
        from_estimator(model)


def test_errors_of_the_fit_come_through() -> None:
    with pytest.raises(ValueError, match="Training diverged"):
        from_estimator(network(learning_rate_init=1e9))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        from_estimator(network(), y=y[:-1])


def test_weights_that_have_not_moved_span_no_plane() -> None:
    model = network(warm_start=True, solver="lbfgs", alpha=0, standardize=False)
    model.weights_ = [np.zeros((5, 3)), np.zeros((4, 1))]
    with pytest.raises(ValueError, match="Training has not moved the weights"):
        from_estimator(model, y=0 * y)
    display = from_estimator(model, y=0 * y, weights=PAIR)
    np.testing.assert_array_equal(path(display)[-1], [0, 0])


@pytest.mark.parametrize(
    ("data", "weights", "message"),
    [
        (X, ((2, 0, 0), PAIR[0]), r"layer must be 0 to 1, got 2 in \(2, 0, 0\)"),
        (X, ((-1, 0, 0), PAIR[0]), "layer must be 0 to 1, got -1"),
        (X, ((0, 4, 0), PAIR[0]), r"input must be 0 to 3, got 4 in \(0, 4, 0\)"),
        (X, ((1, 3, 0), PAIR[0]), "input must be 0 to 2, got 3"),
        (X, ((0, 0, 3), PAIR[0]), r"unit must be 0 to 2, got 3 in \(0, 0, 3\)"),
        (X, ((0, "a", 0), PAIR[0]), "input must be a position or 'bias', got 'a'; X names no feat"),
        (FEATURES, ((0, "e", 0), PAIR[0]), "got 'e'; X names the features 'a', 'b', 'c', 'd'"),
        (X, (PAIR[0], PAIR[0]), "The two weights must differ"),
        (FEATURES, ((0, "b", 2), PAIR[0]), "The two weights must differ"),
        (X, (PAIR[0],), r"weights must be two of \(layer, input, unit\)"),
        (X, ((0, 0), (0, 1)), r"weights must be two of \(layer, input, unit\)"),
    ],
)
def test_weights_that_are_not_there_are_named(data: Any, weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_estimator(network(max_iter=2), data, weights=weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "mountain"}, "kind must be one of contour, surface, got 'mountain'"),
        ({"resolution": 1}, "resolution must be at least 2, got 1"),
        ({"margin": -1}, "margin must be a finite number, 0 or more, got -1"),
        ({"margin": np.inf}, "margin must be a finite number"),
    ],
)
def test_bad_choices_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_estimator(network(), **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": np.ones((7, 6))}, r"loss must have shape \(7, 7\), got \(7, 6\)"),
        ({"loss": np.full((7, 7), np.nan)}, "loss must be finite"),
        ({"x": [1.0], "loss": np.ones((7, 1))}, r"needs 2 points on each side, got \(7, 1\)"),
        ({"path": [1.0, 2.0]}, r"path must have shape \(n_points, 2\), got \(2,\)"),
        ({"path": [[1.0, np.nan]]}, "path must be finite"),
        ({"path_loss": [1.0]}, r"path_loss must have shape \(3,\), got \(1,\)"),
    ],
)
def test_bad_arrays_are_named(arguments: dict[str, Any], message: str, ax: Axes) -> None:
    with pytest.raises(ValueError, match=message):
        bowl(**arguments).plot(ax)
    assert not ax.has_data()


def test_axes_of_other_dimensions_are_refused(ax: Axes, ax_3d: Axes) -> None:
    with pytest.raises(ValueError, match="kind='surface' is drawn on an Axes3D, subplot_kw="):
        bowl().plot(ax, kind="surface")
    with pytest.raises(ValueError, match="kind='contour' is drawn on 2-D axes"):
        bowl().plot(ax_3d)
    with pytest.raises(ValueError, match="path_loss is needed to draw the path on a surface"):
        bowl(path_loss=None).plot(ax_3d, kind="surface")


def test_the_mean_of_several_networks_has_no_path() -> None:
    X = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(ValueError, match="set hidden_layer_sizes"):
        LossSurfaceDisplay.from_estimator(SigmoidMLPRegressor(random_state=0), X, X[:, 0])


@pytest.mark.parametrize(
    ("aside", "first", "second"),
    [(1.0, "50 %", "50 %"), (0.05, "99.8 %", "0.2 %"), (1e-3, "over 99.9 %", "less than 0.1 %")],
)
def test_labels_do_not_round_a_share_to_0_or_100(aside: float, first: str, second: str) -> None:
    labels = leading_plane(np.array([[1.0, 0.0], [0.0, aside], [0.0, 0.0]])).labels
    assert labels[0].endswith(f"\n({first} of its variance)")
    assert labels[1].endswith(f"\n({second} of its variance)")


def test_a_path_of_fewer_inputs_is_one_of_all_weights() -> None:
    X, y = make_friedman1(100, noise=1.0, random_state=0)  # 5 of the 10 inputs matter
    model = SigmoidMLPRegressor((3,), random_state=0)

    display = from_estimator(model, X, y)

    descent = _descent.descend(model, X, y, None)
    reads = (descent.network.layers(descent.path[0])[0][1:] != 0).any(axis=1)
    assert 0 < reads.sum() < 10  # the start is of some inputs
    assert descent.path.shape[1] == descent.network.n_parameters
    assert display.path is not None
    assert np.asarray(display.path).shape == (len(descent.path), 2)
    np.testing.assert_allclose(descent.losses(descent.path[-1:]), model.fit(X, y).loss_, rtol=0.01)
