"""How a prediction depends on each feature: its derivative.

Over rows i, in units that compare,

    d_ij = s_j ∂ŷ(x_i)/∂x_j,    RMS_j = √(mean_i d_ij²)

Here s_j is the standard deviation of feature j. If a scaler gives z_j = m_j x_j + c_j, the chain
rule is one factor: ∂ŷ/∂x_j = m_j ∂ŷ/∂z_j.
"""

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from .._typing import FloatArray, IntArray, MatrixLike
from ..ensemble import SigmoidMLPEnsembleRegressor
from ._data import Table, check_choice, check_most, matrix, thinned, vector
from ._drawing import Display, Style, line_style, patch_style, point_style, shortened
from ._estimators import Opened, names_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.container import BarContainer
    from matplotlib.lines import Line2D

SPREAD = 0.38
"""Half the height of a strip, in distances from one to the next."""

COLOURING = ("cmap", "vmin", "vmax", "norm")
"""Options of a scatter plot that need values to colour by."""


class SensitivityDisplay(Display):
    """How far, and which way, each feature moves the prediction.

    Use :meth:`from_estimator` to create one. The parameters are stored as attributes.

    Parameters
    ----------
    sensitivities : array-like of shape (n_samples, n_features)
        The derivative of the prediction by each feature in each row, in units that compare.
    values : array-like of shape (n_samples, n_features), default=None
        The features, to colour the points by.
    feature_names : list of str, default=None
    label : str, default="derivative of the prediction"
        What the derivatives are: the label of the x axis.

    Attributes
    ----------
    rms_ : ndarray of shape (n_features,)
        The root mean square over all rows, in the order of the features.
    order_ : ndarray of int of shape (n_shown,)
        The features that are drawn, from top to bottom.
    scatters_ : list of matplotlib PathCollection
        The strips in this order; empty for a bar chart.
    rms_markers_ : matplotlib Line2D or None
        The root mean squares, with the signs of the means, in a drawing of strips.
    bars_ : matplotlib BarContainer or None
        The root mean squares, in a bar chart.
    colorbar_ : matplotlib Colorbar or None
        The scale of the colours, if points are coloured by value.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn_mlp.inspection import SensitivityDisplay
    >>> display = SensitivityDisplay(sensitivities=[[1.0, -3.0], [1.0, 4.0]])
    >>> display.plot(ax=Figure().subplots()).rms_.round(2)
    array([1.  , 3.54])
    """

    rms_: FloatArray
    order_: IntArray
    scatters_: "list[PathCollection]"
    rms_markers_: "Line2D | None"
    bars_: "BarContainer | None"
    colorbar_: "Colorbar | None"

    def __init__(
        self,
        *,
        sensitivities: ArrayLike,
        values: ArrayLike | None = None,
        feature_names: list[str] | None = None,
        label: str = "derivative of the prediction",
    ) -> None:
        self.sensitivities = sensitivities
        self.values = values
        self.feature_names = feature_names
        self.label = label

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        kind: Literal["strip", "bar"] = "strip",
        max_features: int | None = 20,
        subsample: int | None = 1_000,
        scatter_kwargs: Style = None,
        marker_kwargs: Style = None,
        bar_kwargs: Style = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure, whose height fits the number of features.
        kind : {"strip", "bar"}, default="strip"
            A strip has a point for each row, coloured by the feature's value. A bar is as long
            as the root mean square.
        max_features : int or None, default=20
            The most features that are drawn, those of the largest root mean squares; None
            draws all of them.
        subsample : int or None, default=1_000
            The most rows that have a point, evenly spaced; None draws all of them. The root
            mean square is that of all of them.
        scatter_kwargs, marker_kwargs, bar_kwargs : dict, default=None
            Style of the points, of the root mean squares among them, and of the bars, passed
            on to matplotlib.

        Returns
        -------
        self : SensitivityDisplay

        Raises
        ------
        ValueError
            If the arrays are not finite numbers of matching shapes.
        ImportError
            Without matplotlib.
        """
        check_choice("kind", kind, ("strip", "bar"))
        check_most("max_features", max_features)
        check_most("subsample", subsample)
        D, values, names = self._checked()
        self.rms_ = _root_mean_square(D)
        self.order_ = np.argsort(-self.rms_, kind="stable")[:max_features]
        n_shown = self.order_.size
        shown_names = [shortened(names[j]) for j in self.order_]
        is_new, ax = ax is None, self._axes(ax)
        if is_new:
            width = 5.6 + 0.07 * max(map(len, shown_names))
            # A new figure is no part of another, which matplotlib's types allow for.
            ax.figure.set_size_inches(width, 1.4 + 0.32 * max(n_shown, 4))  # type: ignore[union-attr]
        self.scatters_, self.rms_markers_, self.bars_, self.colorbar_ = [], None, None, None
        if kind == "bar":
            style = patch_style({"color": "C0", "height": 0.65}, bar_kwargs)
            self.bars_ = ax.barh(np.arange(n_shown), self.rms_[self.order_], **style)
            ax.set_xlabel(f"RMS {self.label}")
        else:
            rows = thinned(np.arange(len(D)), subsample)
            self._draw_strips(ax, D, values, rows, scatter_kwargs)
            self._mark_rms(ax, D, marker_kwargs)
            ax.set_xlabel(self.label)
        ax.set_yticks(np.arange(n_shown), shown_names, parse_math=False)  # "$" is a character
        ax.set_ylim(n_shown - 0.5, -0.5)  # the largest on top
        ax.tick_params(axis="y", length=0)
        if n_shown < len(names):
            ax.set_ylabel(f"{n_shown} of {len(names)} features")
        ax.spines[["top", "right", "left"]].set_visible(False)
        return self._drawn_on(ax)

    def _checked(self) -> tuple[FloatArray, FloatArray | None, list[str]]:
        """The arrays, and a name for each column."""
        D = matrix("sensitivities", self.sensitivities)
        values = None if self.values is None else matrix("values", self.values)
        if values is not None and values.shape != D.shape:
            raise ValueError(
                f"values must have the shape of sensitivities, {D.shape}, got {values.shape}."
            )
        names = self.feature_names
        names = [f"x{j}" for j in range(D.shape[1])] if names is None else names
        if len(names) != D.shape[1]:
            raise ValueError(f"There are {len(names)} feature_names for {D.shape[1]} features.")
        return D, values, names

    def _draw_strips(
        self,
        ax: "Axes",
        D: FloatArray,
        values: FloatArray | None,
        rows: IntArray,
        scatter_kwargs: Style,
    ) -> None:
        """The points of some rows, coloured by value unless there is none or a colour is chosen."""
        ax.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        size = 10 * min(1.0, np.sqrt(300 / rows.size))
        points = {"s": size, "cmap": "coolwarm", "vmin": 0, "vmax": 1, "linewidth": 0}
        style = point_style({**points, "zorder": 2}, scatter_kwargs)
        if values is None or {"color", "c"} & set(style):
            values = None
            style = {"color": "C0"} | {k: style[k] for k in style if k not in COLOURING}
        for place, j in enumerate(self.order_):
            colours: dict[str, Any] = (
                {} if values is None else {"c": _low_to_high(values[:, j])[rows]}
            )
            heights = place + _side_by_side(D[rows, j], D[:, self.order_])
            self.scatters_.append(ax.scatter(D[rows, j], heights, **style, **colours))
        if values is not None:
            self.colorbar_ = _colorbar(ax, self.scatters_[0])

    def _mark_rms(self, ax: "Axes", D: FloatArray, marker_kwargs: Style) -> None:
        """A diamond on each strip."""
        signs = np.where(D.mean(axis=0) < 0, -1.0, 1.0)
        at = (signs * self.rms_)[self.order_]
        diamonds = {"linestyle": "none", "marker": "D", "markersize": 5, "color": "white"}
        outline = {"markeredgecolor": "black", "markeredgewidth": 1.0, "zorder": 4}
        style = line_style({**diamonds, **outline}, marker_kwargs)
        self.rms_markers_ = ax.plot(at, np.arange(at.size), **style)[0]
        self.rms_markers_.set_label("RMS, with the sign of the mean")
        ax.legend(
            handles=[self.rms_markers_], loc="lower right", bbox_to_anchor=(1, 1), frameon=False,
            fontsize="small", borderaxespad=0,
        )  # fmt: skip

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        *,
        output: int | None = None,
        scaled: bool = True,
        kind: Literal["strip", "bar"] = "strip",
        max_features: int | None = 20,
        subsample: int | None = 1_000,
        ax: "Axes | None" = None,
        scatter_kwargs: Style = None,
        marker_kwargs: Style = None,
        bar_kwargs: Style = None,
    ) -> Self:
        """Draw the derivative of a network's predictions by each feature.

        If all steps before the network scale each column by itself
        (:class:`~sklearn.preprocessing.StandardScaler`, ``MinMaxScaler``, ``MaxAbsScaler``,
        ``RobustScaler``), the derivative is by the columns of X. If there is any other step, it
        is by the columns that this step gives, under their names.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`~sklearn_mlp.SigmoidMLPRegressor`, or a
            :class:`~sklearn_mlp.SigmoidMLPEnsembleRegressor` of such, whose prediction is the
            mean of theirs. It may be at the end of a pipeline, in a search such as
            :class:`~sklearn.model_selection.GridSearchCV`, or in a
            :class:`~sklearn.compose.TransformedTargetRegressor` that scales the targets.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows at which to differentiate.
        output : int, default=None
            Which output of several.
        scaled : bool, default=True
            Whether to multiply by the standard deviation of the feature in X, so that features
            of different units can be compared. If not, the derivative is in units of y per unit
            of the feature.
        kind : {"strip", "bar"}, default="strip"
            As in :meth:`plot`.
        max_features, subsample : int or None
            The most features and rows that are drawn; see :meth:`plot`.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        scatter_kwargs, marker_kwargs, bar_kwargs : dict, default=None
            Style of the points, of the root mean squares among them, and of the bars, passed
            on to matplotlib.

        Returns
        -------
        display : SensitivityDisplay

        Raises
        ------
        ValueError
            If the estimator is not fitted or has no ``input_gradient``, or if it has several
            outputs and `output` is not given.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> from sklearn_mlp.inspection import SensitivityDisplay
        >>> X = np.random.default_rng(0).normal(size=(50, 2))
        >>> model = SigmoidMLPRegressor((), random_state=0).fit(X, X[:, 0] - 3 * X[:, 1])
        >>> display = SensitivityDisplay.from_estimator(
        ...     model, X, scaled=False, ax=Figure().subplots()
        ... )
        >>> [label.get_text() for label in display.ax_.get_yticklabels()]
        ['x1', 'x0']
        >>> display.rms_.round(3)
        array([1., 3.])
        """
        cls._require_matplotlib("from_estimator")
        check_choice("kind", kind, ("strip", "bar"))
        opened = Opened.of(estimator)
        table = _columns_told_apart(opened, Table.of(X, estimator))
        gradient = _mean_gradient(opened, X)
        D = _of_one_output(gradient, output)
        columns = range(table.n_columns)
        names = [table.label(j) for j in columns]
        values = np.column_stack(
            [vector(f"the feature {names[j]!r}", table.column(j)) for j in columns]
        )
        per = "unit"
        if scaled:
            D, per = D * _deviations(values), "standard deviation"
        moved = "the prediction" if gradient.shape[1] == 1 else f"output {output}"
        display = cls(
            sensitivities=D,
            values=values,
            feature_names=names,
            label=f"change of {moved}\nper {per} of the feature",
        )
        return display.plot(
            ax,
            kind=kind,
            max_features=max_features,
            subsample=subsample,
            scatter_kwargs=scatter_kwargs,
            marker_kwargs=marker_kwargs,
            bar_kwargs=bar_kwargs,
        )


def _columns_told_apart(opened: Opened, table: Table) -> Table:
    """The columns to differentiate by: those of X, or what the last step that mixes them gives."""
    X = table.X
    for step in opened.steps:
        X = step.transform(X)
        if _slopes(step) is None:
            given = Table.of(X, None)
            table = Table(given.X, names_out(step, table.names) or given.names)
    return table


def _mean_gradient(opened: Opened, X: MatrixLike) -> FloatArray:
    """The mean over the networks inside of ∂ŷ/∂x, of shape (n_samples, n_outputs, n_features)."""
    n_outer = len(opened.steps)
    gradients = []
    for network in opened.members():
        mixing = [step for step in network.steps[n_outer + 1 :] if _slopes(step) is None]
        if mixing:
            raise ValueError(
                f"Inside the members, {type(mixing[0]).__name__} does not scale each column by "
                "itself, so the members have no derivative by the same columns: pass one of them, "
                "ensemble.estimators_[0]."
            )
        gradients.append(_gradient(network, X))
    return np.mean(gradients, axis=0)


def _gradient(network: Opened, X: MatrixLike) -> FloatArray:
    """∂ŷ/∂x of one network, by the columns that can be told apart, by the chain rule."""
    if not hasattr(network.estimator, "input_gradient"):
        raise ValueError(
            f"{type(network.estimator).__name__} has no input_gradient: sensitivities need a "
            "SigmoidMLPRegressor, alone or inside a pipeline, a search or an ensemble."
        )
    gradient = np.asarray(network.estimator.input_gradient(network.reach(X)), dtype=float)
    gradient = gradient[:, np.newaxis] if gradient.ndim == 2 else gradient
    for step in reversed(network.steps):
        slopes = _slopes(step)
        if slopes is None:
            break
        gradient = gradient * slopes
    for step in reversed(network.target_transformers):
        slopes = _slopes(step)
        if slopes is None:
            raise ValueError(
                f"{type(step).__name__} does not scale the targets, so the derivative of what "
                "is predicted is not known."
            )
        gradient = gradient / np.reshape(slopes, (-1, 1))
    return gradient


def _slopes(step: Any) -> FloatArray | float | None:
    """dz/dx of a step that scales each column; None of any other.

    An ensemble is the step before its members, and hands them its data as they are.
    """
    if isinstance(step, SigmoidMLPEnsembleRegressor):
        return 1.0
    if type(step) is FunctionTransformer and step.func is None:
        return 1.0
    if type(step) is MinMaxScaler and not step.clip:
        return step.scale_
    if type(step) in (StandardScaler, MaxAbsScaler, RobustScaler):
        return 1.0 if step.scale_ is None else 1 / step.scale_
    return None


def _of_one_output(gradient: FloatArray, output: int | None) -> FloatArray:
    """The derivatives of one output, of shape (n_samples, n_features)."""
    n_outputs = gradient.shape[1]
    if output is None and n_outputs > 1:
        raise ValueError(
            f"The model has {n_outputs} outputs: choose one of them, output=0 to {n_outputs - 1}."
        )
    output = output or 0
    if not -n_outputs <= output < n_outputs:
        raise ValueError(f"output={output} was asked for, and the model has {n_outputs}.")
    return gradient[:, output]


def _deviations(values: FloatArray) -> FloatArray:
    """The standard deviation of each column, exactly 0 for a constant one."""
    return np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 0.0)


def _root_mean_square(D: FloatArray) -> FloatArray:
    """The root mean square of each column, without overflow."""
    largest = np.abs(D).max(axis=0)
    unit = np.where(largest > 0, largest, 1)
    return unit * np.sqrt(((D / unit) ** 2).mean(axis=0))


def _low_to_high(values: FloatArray) -> FloatArray:
    """Values on a scale from 0 for their 5th percentile to 1 for their 95th."""
    low, high = np.percentile(values, [5, 95])
    if low == high:  # nearly all are the same
        low, high = values.min(), values.max()
    if low == high:
        return np.full(values.size, 0.5)
    return np.clip((values - low) / (high - low), 0, 1)


def _side_by_side(drawn: FloatArray, shown: FloatArray) -> FloatArray:
    """Heights in a strip that keep points of nearly the same value apart.

    Points in the same hundredth of the axis are placed in turn above and below the line. The
    steps are such that the most crowded place fills the height of the strip.
    """
    low, high = min(shown.min(), 0.0), max(shown.max(), 0.0)
    span = high - low if high > low else 1.0
    bins = np.floor(100 * (drawn - low) / span).astype(np.intp)
    order = np.argsort(bins, kind="stable")
    first = np.r_[True, np.diff(bins[order]) != 0]
    starts = np.flatnonzero(first)
    rank = np.arange(drawn.size) - starts[np.cumsum(first) - 1]
    steps = np.where(rank % 2 == 1, 1, -1) * ((rank + 1) // 2)
    heights = np.empty(drawn.size)
    heights[order] = steps * min(0.06, SPREAD / max(np.abs(steps).max(), 1))
    return heights


def _colorbar(ax: "Axes", scatter: "PathCollection") -> "Colorbar":
    """A bar from low to high beside the axes."""
    height = ax.get_window_extent().height / ax.figure.dpi
    bar = ax.figure.colorbar(scatter, ax=ax, aspect=height / 0.12, pad=0.02)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.set_label("value of the feature", labelpad=-10)
    bar.ax.tick_params(length=0)
    # A frame around colours says nothing. matplotlib's types take the outline for a method.
    bar.outline.set_visible(False)  # type: ignore[operator]
    return bar
