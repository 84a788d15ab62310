"""Activation functions and their slopes.

A unit is saturated where a change of its argument z hardly changes its output: where the slope
f'(z) is below a small share of its peak. The slope of the sigmoid, σ' = σ (1 - σ), has its peak,
a quarter, at z = 0.
"""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from .._typing import FloatArray, MatrixLike
from ..activations import ACTIVATIONS
from ._data import check_choice, check_most, thinned, vector
from ._drawing import DASHED, LINE, Display, Style, legend, line_style, patch_style
from ._estimators import FittedNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

Z_RANGE = (-8.0, 8.0)
GRID_SIZE = 1_601
N_BINS = 60

SATURATED = {"color": "0.5", "alpha": 0.16, "linewidth": 0, "zorder": 0}
HISTOGRAM = {"color": "0.45", "zorder": 2}
PEAK: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 4.5, "zorder": 4}


class ActivationDisplay(Display):
    """An activation function, its slope, and the range in which it is saturated.

    Use :meth:`from_name` or :meth:`from_estimator` to create one. The parameters are stored as
    attributes.

    Parameters
    ----------
    z : array-like of shape (n_points,)
        Arguments of a unit, increasing.
    value : array-like of shape (n_points,)
        The unit's output f(z).
    slope : array-like of shape (n_points,)
        f'(z).
    name : str, default="activation"
        What the legend calls the function.
    saturation : float, default=0.05
        A unit is saturated where its slope is below this share of the largest one in `slope`.
    arguments : array-like of shape (n_arguments,), default=None
        Arguments z of the units of a network, drawn as a histogram above the axes.
    arguments_name : str, default="arguments"
        The title of the histogram.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The function.
    slope_line_ : matplotlib Line2D
        Its slope, dashed, on the same scale.
    peak_ : matplotlib Line2D or None
        The marker of the slope's peak; None where the slope has no peak inside the range.
    peak_label_ : matplotlib Text or None
    saturated_ : list of matplotlib Rectangle
        The shaded regions.
    saturated_labels_ : list of matplotlib Text
    saturated_regions_ : list of (float, float)
        The first and the last z of each.
    saturated_share_ : float or None
        The share of `arguments` that are saturated.
    histogram_ : matplotlib BarContainer or None
    histogram_ax_ : matplotlib Axes or None
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn_mlp.inspection import ActivationDisplay
    >>> display = ActivationDisplay(
    ...     z=[-1.0, 0.0, 1.0, 2.0], value=[0.0, 0.0, 1.0, 2.0], slope=[0.0, 0.0, 1.0, 1.0]
    ... )
    >>> display.plot(ax=Figure().subplots()).saturated_regions_
    [(-1.0, 0.0)]
    """

    line_: "Line2D"
    slope_line_: "Line2D"
    peak_: "Line2D | None"
    peak_label_: "Text | None"
    saturated_: "list[Rectangle]"
    saturated_labels_: "list[Text]"
    saturated_regions_: list[tuple[float, float]]
    saturated_share_: float | None
    histogram_: "BarContainer | None"
    histogram_ax_: "Axes | None"

    def __init__(
        self,
        *,
        z: ArrayLike,
        value: ArrayLike,
        slope: ArrayLike,
        name: str = "activation",
        saturation: float = 0.05,
        arguments: ArrayLike | None = None,
        arguments_name: str = "arguments",
    ) -> None:
        self.z = z
        self.value = value
        self.slope = slope
        self.name = name
        self.saturation = saturation
        self.arguments = arguments
        self.arguments_name = arguments_name

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        line_kwargs: Style = None,
        slope_kwargs: Style = None,
        saturated_kwargs: Style = None,
        histogram_kwargs: Style = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. The histogram has axes of its own above.
        line_kwargs, slope_kwargs, saturated_kwargs, histogram_kwargs : dict, default=None
            Style of the function, its slope, the shaded regions and the bars of the histogram,
            passed on to matplotlib.

        Returns
        -------
        self : ActivationDisplay

        Raises
        ------
        ValueError
            If the share is not between 0 and 1, z does not increase, or the arrays are not
            finite numbers of the same length.
        ImportError
            Without matplotlib.
        """
        z, value, slope = self._checked()
        threshold = self.saturation * slope.max()
        arguments = None if self.arguments is None else vector("arguments", self.arguments)
        ax = self._axes(ax)
        saturated_style = patch_style(SATURATED, saturated_kwargs)
        self.line_ = ax.plot(z, value, **line_style(LINE, line_kwargs))[0]
        self.slope_line_ = ax.plot(z, slope, **line_style(DASHED, slope_kwargs))[0]
        self.line_.set_label(self.name)
        self.slope_line_.set_label("its slope")
        self._mark_peak(ax, z, slope)
        self._shade(ax, z, slope < threshold, saturated_style)
        self._label_regions(ax, z, value, slope)
        ax.set(xlabel="argument z of a unit", ylabel="output, and its slope")
        ax.set_xlim(z[0], z[-1])
        legend(ax)
        self.histogram_ = self.histogram_ax_ = self.saturated_share_ = None
        if arguments is not None:
            # Beyond the range, use the slope at its end.
            saturated = np.interp(arguments, z, slope) < threshold
            self.saturated_share_ = float(saturated.mean())
            self._draw_histogram(
                ax,
                np.clip(arguments, z[0], z[-1]),
                saturated_style,
                patch_style(HISTOGRAM, histogram_kwargs),
            )
        return self._drawn_on(ax)

    def _checked(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The arrays as floats, if they are valid."""
        if not 0 < self.saturation < 1:
            raise ValueError(f"saturation must be between 0 and 1, got {self.saturation!r}.")
        z, value = vector("z", self.z), vector("value", self.value)
        slope = vector("slope", self.slope)
        check_consistent_length(z, value, slope)
        if z.size < 2 or (np.diff(z) <= 0).any():
            raise ValueError("z must be two or more numbers, each larger than the one before.")
        return z, value, slope

    def _mark_peak(self, ax: "Axes", z: FloatArray, slope: FloatArray) -> None:
        """Mark the slope's peak, if it has a single one inside the range."""
        self.peak_ = self.peak_label_ = None
        at = int(slope.argmax())
        if at in (0, z.size - 1) or (slope == slope[at]).sum() > 1:
            return
        color = self.slope_line_.get_color()
        self.peak_ = ax.plot(z[at], slope[at], color=color, **PEAK)[0]
        self.peak_.set_label("_peak")  # not in the legend: its text says what it is
        self.peak_label_ = ax.annotate(
            f"peak of the slope: {slope[at]:.3g} at z = {z[at] + 0.0:.3g}",
            (z[at], slope[at]),
            xytext=(7, 4),
            textcoords="offset points",
            fontsize="small",
            color=color,
            zorder=4,
        )

    def _shade(
        self, ax: "Axes", z: FloatArray, is_saturated: NDArray[np.bool_], style: dict[str, Any]
    ) -> None:
        """Shade each run of points that are saturated."""
        edges = np.flatnonzero(np.diff(is_saturated, prepend=False, append=False))
        self.saturated_regions_ = [
            (float(z[first]), float(z[end - 1])) for first, end in edges.reshape(-1, 2)
        ]
        self.saturated_ = [ax.axvspan(*region, **style) for region in self.saturated_regions_]
        for region in self.saturated_[:1]:
            region.set_label(f"slope below {100 * self.saturation:g} % of its peak")

    def _label_regions(
        self, ax: "Axes", z: FloatArray, value: FloatArray, slope: FloatArray
    ) -> None:
        """Write "saturated" on each region, away from both lines."""
        self.saturated_labels_ = []
        lines = np.column_stack([value, slope])
        for low, high in self.saturated_regions_:
            middle = (low + high) / 2
            at = np.abs(z - middle).argmin()
            heights = np.sort([lines.min(), *lines[at], lines.max()])
            widest = np.diff(heights).argmax()
            label = ax.text(
                middle,
                heights[widest : widest + 2].mean(),
                "saturated",
                rotation=0 if high - low > 0.2 * (z[-1] - z[0]) else 90,
                ha="center",
                va="center",
                fontsize="small",
                color="0.35",
                clip_on=True,
            )
            self.saturated_labels_.append(label)

    def _draw_histogram(
        self,
        ax: "Axes",
        arguments: FloatArray,
        saturated_style: dict[str, Any],
        style: dict[str, Any],
    ) -> None:
        """A strip above the axes, in line with them."""
        strip = ax.inset_axes((0, 1.03, 1, 0.17), sharex=ax)
        counts, edges = np.histogram(arguments, bins=N_BINS, range=ax.get_xlim())
        self.histogram_ = strip.bar(
            edges[:-1], counts / arguments.size, width=np.diff(edges), align="edge", **style
        )
        for region in self.saturated_regions_:
            strip.axvspan(*region, **saturated_style)
        share = f"{100 * (self.saturated_share_ or 0):.3g} %"
        strip.set_title(f"{self.arguments_name}: {share} saturated", fontsize="small", pad=3)
        strip.tick_params(left=False, labelleft=False, labelbottom=False)
        strip.spines[["left", "top", "right"]].set_visible(False)
        self.histogram_ax_ = strip

    @classmethod
    def from_name(
        cls,
        activation: str = "sigmoid",
        *,
        z_range: tuple[float, float] = Z_RANGE,
        saturation: float = 0.05,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        slope_kwargs: Style = None,
        saturated_kwargs: Style = None,
    ) -> Self:
        """Draw an activation function by its name.

        Parameters
        ----------
        activation : {"sigmoid", "logistic", "tanh", "relu", "softplus", "identity"}, \
default="sigmoid"
        z_range : (float, float), default=(-8, 8)
            The first and the last argument.
        saturation : float, default=0.05
            A unit is saturated where its slope is below this share of its peak in the range.
        name : str, default=None
            What the legend calls the function; by default its name.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        line_kwargs, slope_kwargs, saturated_kwargs : dict, default=None
            Style of the function, its slope and the shaded regions, passed on to matplotlib.

        Returns
        -------
        display : ActivationDisplay

        Raises
        ------
        ValueError
            If there is no such activation, if the range does not increase, or if the share is not
            between 0 and 1.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp.inspection import ActivationDisplay
        >>> display = ActivationDisplay.from_name("sigmoid", ax=Figure().subplots())
        >>> display.peak_label_.get_text()
        'peak of the slope: 0.25 at z = 0'
        """
        cls._require_matplotlib("from_name")
        check_choice("activation", activation, tuple(ACTIVATIONS))
        z, value, slope = _on_a_grid(activation, z_range)
        name = activation if name is None else name
        display = cls(z=z, value=value, slope=slope, name=name, saturation=saturation)
        return display.plot(
            ax,
            line_kwargs=line_kwargs,
            slope_kwargs=slope_kwargs,
            saturated_kwargs=saturated_kwargs,
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike | None = None,
        *,
        layer: int = 0,
        member: int = 0,
        z_range: tuple[float, float] | None = None,
        saturation: float = 0.05,
        subsample: int | None = 1_000,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kwargs: Style = None,
        slope_kwargs: Style = None,
        saturated_kwargs: Style = None,
        histogram_kwargs: Style = None,
    ) -> Self:
        """Draw the activation of a fitted network and, given data, the arguments of its units.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`~sklearn_mlp.SigmoidMLPRegressor`,
            :class:`~sklearn.neural_network.MLPRegressor` or other multi-layer perceptron with
            ``coefs_``, ``intercepts_`` and ``activation``; or a
            :class:`~sklearn_mlp.SigmoidMLPEnsembleRegressor`, of which one member is drawn. It
            may be at the end of a pipeline, in a search such as
            :class:`~sklearn.model_selection.GridSearchCV`, or in a
            :class:`~sklearn.compose.TransformedTargetRegressor`.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            The data for which the arguments z of the units are computed.
        layer : int, default=0
            The hidden layer whose units these are, the first by default.
        member : int, default=0
            Which member of an ensemble to draw, the first by default.
        z_range : (float, float), default=None
            The first and the last argument. By default -8 to 8, or wider, so that at most 0.5 %
            of the arguments are beyond either end. The outermost bars of the histogram count
            those too.
        saturation : float, default=0.05
            A unit is saturated where its slope is below this share of its peak in the range.
        subsample : int or None, default=1_000
            The most rows of X that are used, evenly spaced; None uses all of them.
        name : str, default=None
            What the legend calls the function; by default its name.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        line_kwargs, slope_kwargs, saturated_kwargs, histogram_kwargs : dict, default=None
            Style of the function, its slope, the shaded regions and the bars of the histogram,
            passed on to matplotlib.

        Returns
        -------
        display : ActivationDisplay

        Raises
        ------
        ValueError
            If the estimator is not fitted, is not a multi-layer perceptron, or has no such
            hidden layer, or if X has other columns than in the fit.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> from sklearn_mlp.datasets import make_hyperplane
        >>> from sklearn_mlp.inspection import ActivationDisplay
        >>> X, y = make_hyperplane(200, random_state=0, return_X_y=True)
        >>> model = SigmoidMLPRegressor((4,), random_state=0).fit(X, y)
        >>> display = ActivationDisplay.from_estimator(model, X, ax=Figure().subplots())
        >>> display.arguments_name
        'arguments of the 4 units of hidden layer 1'
        """
        cls._require_matplotlib("from_estimator")
        check_most("subsample", subsample)
        network = FittedNetwork.of(estimator, X, member=member)
        layer = _hidden_layer(network, layer)
        arguments, arguments_name, ends = None, "arguments", np.array(Z_RANGE)
        if network.X is not None:
            z = network.arguments(layer, thinned(np.arange(network.X.shape[0]), subsample))
            plural = "s" if z.shape[1] > 1 else ""
            arguments_name = (
                f"arguments of the {z.shape[1]} unit{plural} of hidden layer {layer + 1}"
            )
            arguments = vector("the arguments of the units", z.ravel())
            ends = np.append(ends, np.quantile(arguments, (0.005, 0.995)))
        if z_range is None:
            z_range = (float(ends.min()), float(ends.max()))
        activation = network.model.network.activation
        z, value, slope = _on_a_grid(activation, z_range)
        display = cls(
            z=z,
            value=value,
            slope=slope,
            name=activation if name is None else name,
            saturation=saturation,
            arguments=arguments,
            arguments_name=arguments_name,
        )
        return display.plot(
            ax,
            line_kwargs=line_kwargs,
            slope_kwargs=slope_kwargs,
            saturated_kwargs=saturated_kwargs,
            histogram_kwargs=histogram_kwargs,
        )


def _hidden_layer(network: FittedNetwork, layer: int) -> int:
    """The position of a hidden layer, counted from the first."""
    n_layers = network.n_hidden_layers
    if n_layers == 0:
        raise ValueError(f"{network.name} has no hidden layer to activate.")
    if not -n_layers <= layer < n_layers:
        raise ValueError(f"layer must be 0 to {n_layers - 1}, got {layer}.")
    return layer % n_layers


def _on_a_grid(
    activation: str, z_range: tuple[float, float]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """z, the function and its slope, at evenly spaced points and at 0."""
    ends = vector("z_range", z_range)
    if ends.size != 2 or ends[0] >= ends[1]:
        raise ValueError(f"z_range must be two numbers, the smaller first, got {z_range!r}.")
    z = np.linspace(float(ends[0]), float(ends[1]), GRID_SIZE)
    if ends[0] < 0 < ends[1]:
        z[np.abs(z).argmin()] = 0  # where slopes peak or jump
    function = ACTIVATIONS[activation]
    value, slope = z.copy(), np.empty_like(z)
    function.value(value)
    function.slope(value, slope)
    return z, value, slope
