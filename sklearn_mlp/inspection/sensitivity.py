"""What a network has learnt of each feature: the derivative of the prediction by it.

Over rows i, in units that compare,

    d_ij = s_j ∂ŷ(x_i)/∂x_j,    RMS_j = √(mean_i d_ij²)

with s_j the standard deviation of feature j. Behind a scaler z_j = m_j x_j + c_j the chain rule
is one factor, ∂ŷ/∂x_j = m_j ∂ŷ/∂z_j.
"""

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from .._typing import FloatArray, IntArray, MatrixLike
from ._data import (
    Table,
    check_choice,
    last_step,
    names_out,
    steps_before_the_last,
    thinned,
    vector,
)
from ._drawing import Style, axes, require_matplotlib, shortened, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

SPREAD = 0.38
"""Half the height of a strip, in distances from one to the next."""

COLOURING = ("cmap", "vmin", "vmax", "norm")
"""What matplotlib takes only with points that have values to colour by."""


class SensitivityDisplay:
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
        The strips in this order; none of a bar chart.
    rms_markers_ : matplotlib Line2D or None
        The root mean squares, with the signs of the means, in a drawing of strips.
    bars_ : matplotlib BarContainer or None
        The same without signs, in a bar chart.
    colorbar_ : matplotlib Colorbar or None
        Where points are coloured.
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
    ax_: "Axes"
    figure_: "Figure | SubFigure"

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
            Where to draw; by default in a new figure, as high as the features ask for.
        kind : {"strip", "bar"}, default="strip"
            A strip of points for each feature, one a row, side by side where they are dense
            and coloured by the feature's value, or only a bar as long as the root mean square.
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
        for what, most in (("max_features", max_features), ("subsample", subsample)):
            if most is not None and most < 1:
                raise ValueError(f"{what} must be at least 1, or None, got {most!r}.")
        D, values, names = self._checked()
        self.rms_ = _root_mean_square(D)
        self.order_ = np.argsort(-self.rms_, kind="stable")[:max_features]
        n_shown = self.order_.size
        shown_names = [shortened(names[j]) for j in self.order_]
        if ax is None:
            ax = axes(f"{type(self).__name__}.plot", None)
            width = 5.6 + 0.07 * max(map(len, shown_names))
            # A new figure is no part of another, which matplotlib's types allow for.
            # A new figure of its own, never the part of one that types allow for.
            ax.figure.set_size_inches(width, 1.4 + 0.32 * max(n_shown, 4))  # type: ignore[union-attr]
        self.scatters_, self.rms_markers_, self.bars_, self.colorbar_ = [], None, None, None
        if kind == "bar":
            style = styled({"color": "C0", "height": 0.65}, bar_kwargs)
            self.bars_ = ax.barh(np.arange(n_shown), self.rms_[self.order_], **style)
            ax.set_xlabel(f"RMS {self.label}")
        else:
            rows = thinned(np.arange(len(D)), subsample)
            self._draw_strips(ax, D, values, rows, scatter_kwargs)
            self._mark_rms(ax, D, marker_kwargs)
            ax.set_xlabel(self.label)
        ax.set_yticks(np.arange(n_shown), shown_names)
        ax.set_ylim(n_shown - 0.5, -0.5)  # the largest on top
        ax.tick_params(axis="y", length=0)
        if n_shown < len(names):
            ax.set_ylabel(f"{n_shown} of {len(names)} features")
        ax.spines[["top", "right", "left"]].set_visible(False)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _checked(self) -> tuple[FloatArray, FloatArray | None, list[str]]:
        """The arrays, and a name for each column."""
        D = _matrix("sensitivities", self.sensitivities)
        values = None if self.values is None else _matrix("values", self.values)
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
        points = {"s": size, "cmap": "coolwarm", "vmin": 0, "vmax": 1, "linewidths": 0}
        style = styled({**points, "zorder": 2}, scatter_kwargs)
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
        style = styled({**diamonds, **outline}, marker_kwargs)
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

        Behind steps that scale each column (:class:`~sklearn.preprocessing.StandardScaler`,
        ``MinMaxScaler``, ``MaxAbsScaler``, ``RobustScaler``) the derivative is by the columns of
        X itself. Behind any other step it is by the columns that reach the network, under the
        names that the steps give them.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`~sklearn_mlp.SigmoidMLPRegressor`, or a pipeline that ends in one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows at which to differentiate.
        output : int, default=None
            Which output of several.
        scaled : bool, default=True
            Times the standard deviation of the feature in X, so that features of different
            units compare; otherwise in units of y per unit of the feature.
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
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_choice("kind", kind, ("strip", "bar"))
        check_is_fitted(estimator)
        model = last_step(estimator)
        if not hasattr(model, "input_gradient"):
            raise ValueError(
                f"{type(model).__name__} has no input_gradient: sensitivities need a "
                "SigmoidMLPRegressor, alone or at the end of a pipeline."
            )
        reached, table, slopes = _by_columns(estimator, X)
        gradient = np.asarray(model.input_gradient(reached), dtype=float)
        D = _of_one_output(gradient, output) * slopes
        columns = range(table.n_columns)
        names = [table.label(j) for j in columns]
        values = np.column_stack(
            [vector(f"the feature {names[j]!r}", table.column(j)) for j in columns]
        )
        per = "unit"
        if scaled:
            D, per = D * _deviations(values), "standard deviation"
        moved = "the prediction" if gradient.ndim == 2 else f"output {output}"
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


def _by_columns(estimator: Any, X: MatrixLike) -> tuple[MatrixLike, Table, FloatArray | float]:
    """What reaches the network; the columns to differentiate by; dz/dx of the two."""
    table = Table.of(X, estimator)
    slopes: FloatArray | float = 1.0
    reached = table.X
    for step in steps_before_the_last(estimator):
        reached = step.transform(reached)
        slope = _slopes(step)
        if slope is None:  # only what it gives can be told apart
            table = Table(Table.of(reached, None).X, names_out(step, table.names))
            slopes = 1.0
        else:
            slopes = slopes * slope
    return reached, table, slopes


def _slopes(step: Any) -> FloatArray | float | None:
    """dz/dx of a step that scales each column; None of any other."""
    if type(step) is MinMaxScaler and not step.clip:
        return step.scale_
    if type(step) in (StandardScaler, MaxAbsScaler, RobustScaler):
        return 1.0 if step.scale_ is None else 1 / step.scale_
    return None


def _of_one_output(gradient: FloatArray, output: int | None) -> FloatArray:
    """The derivatives of one output, of shape (n_samples, n_features)."""
    n_outputs = 1 if gradient.ndim == 2 else gradient.shape[1]
    if output is None and n_outputs > 1:
        raise ValueError(
            f"The model has {n_outputs} outputs: choose one of them, output=0 to {n_outputs - 1}."
        )
    output = output or 0
    if not -n_outputs <= output < n_outputs:
        raise ValueError(f"output={output} was asked for, and the model has {n_outputs}.")
    return gradient if gradient.ndim == 2 else gradient[:, output]


def _matrix(what: str, values: ArrayLike) -> FloatArray:
    """Numbers in two dimensions as floats."""
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"{what} must have shape (n_samples, n_features), got {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{what} must be finite.")
    return matrix


def _deviations(values: FloatArray) -> FloatArray:
    """The standard deviation of each column, exactly 0 of one that does not vary."""
    return np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 0.0)


def _root_mean_square(D: FloatArray) -> FloatArray:
    """Of each column, without overflow."""
    largest = np.abs(D).max(axis=0)
    unit = np.where(largest > 0, largest, 1)
    return unit * np.sqrt(((D / unit) ** 2).mean(axis=0))


def _low_to_high(values: FloatArray) -> FloatArray:
    """Values on a scale from 0 to 1 whose ends a twentieth of them lie beyond on either side."""
    low, high = np.percentile(values, [5, 95])
    if low == high:  # nearly all are the same
        low, high = values.min(), values.max()
    if low == high:
        return np.full(values.size, 0.5)
    return np.clip((values - low) / (high - low), 0, 1)


def _side_by_side(drawn: FloatArray, shown: FloatArray) -> FloatArray:
    """Heights that put points of nearly the same place beside each other.

    Points in the same hundredth of the axis stand in turn above and below the line, in steps
    that fill the height of the strip where the points of this feature are densest.
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
    # A frame around colours says nothing. (Matplotlib types it a spine where it is a patch.)
    # matplotlib's types take the outline for a method.
    bar.outline.set_visible(False)  # type: ignore[operator]
    return bar
