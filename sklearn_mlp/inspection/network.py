"""A network as a diagram: nodes in layers, and the weights as the lines between them.

Weights compare with each other where they act on z-scores. With inputs x and outputs y in
units of their means m and standard deviations s, the same function has

    first layer    W s_x              b + Wᵀ m_x
    last layer     V / s_y            (c - m_y) / s_y
"""

from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
from sklearn.base import is_regressor

from .._typing import FloatArray, IntArray, MatrixLike
from ..rows import Rows
from ..standardize import Scaling, Units, change_units
from ._data import check_choice
from ._drawing import Style, axes, require_matplotlib, styled
from ._fitted import FittedNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.text import Annotation, Text

WEIGHT = "weight"
STANDARDIZED = "weight, for z-scores of the data"

N_ENDS = 6
"""Units drawn at either end of a layer that is summarised."""

GAP = 5
"""Places that the summary of a layer takes."""

STRETCH = 3
"""How much further apart than in the fullest layer units may be."""

LONGEST_NAME = 18

THINNEST = 0.5
"""The width of a line, in points, that stands for a weight of 0."""

EDGES = {"capstyle": "round", "clip_on": False, "zorder": 1}
NODES = {"facecolor": "white", "edgecolor": "0.25", "linewidth": 1.0, "clip_on": False, "zorder": 3}
BIASES = {"facecolor": "0.88", "edgecolor": "0.5", "linewidth": 0.8, "clip_on": False, "zorder": 3}


class Column(NamedTuple):
    """Where the nodes of a layer are.

    Attributes
    ----------
    n_units : int
        Units in the layer, drawn or not.
    units : array of shape (n_drawn,)
        Those that are drawn.
    heights : array of shape (n_drawn,)
        Of these.
    bias : float or None
        The height of the bias node.
    gap : float or None
        The height of the text that stands for what is not drawn.
    """

    n_units: int
    units: IntArray
    heights: FloatArray
    bias: float | None
    gap: float | None

    @property
    def rows(self) -> IntArray:
        """The rows of the next layer's weights of which there are lines."""
        biases = [] if self.bias is None else [0]
        return np.array([*biases, *(self.units + 1)], dtype=np.intp)

    @property
    def row_heights(self) -> FloatArray:
        """Where these lines start."""
        return np.array([*([] if self.bias is None else [self.bias]), *self.heights])


class NetworkDisplay:
    """A multi-layer perceptron as a diagram, inputs on the left and outputs on the right.

    The colour of a line tells the sign of its weight, its colour and width the magnitude, by
    default relative to the strongest of its layer; the strongest are on top.

    Use :meth:`from_estimator` to create one. The parameters are stored as attributes.

    Parameters
    ----------
    weights : sequence of array-like of shape (n_in + 1, n_out)
        The matrix of each layer, bias row first.
    feature_names : sequence of str of length n_inputs, default=None
        By default x0, x1 and so on.
    output_names : sequence of str of length n_outputs, default=None
        By default y, or y0, y1 and so on.
    activation : str, default=None
        What the hidden units are called.
    weight_label : str, default="weight"
        The label of the colorbar.

    Attributes
    ----------
    edges_ : list of matplotlib LineCollection
        The lines into each layer but the first, weakest first; the array of each are the
        weights.
    nodes_ : list of matplotlib PathCollection
        The units of each layer that are drawn.
    bias_nodes_ : list of matplotlib PathCollection
        The bias node of each layer but the last; empty if they are not drawn.
    feature_labels_, output_labels_ : list of matplotlib Annotation
        The names at the inputs and outputs that are drawn; long ones are shortened.
    layer_labels_ : list of matplotlib Annotation
        What stands above each layer.
    strongest_labels_ : list of matplotlib Annotation
        The magnitude of each layer's strongest weight, below its lines; empty unless colours
        are relative to it.
    ellipses_ : list of (matplotlib Text or None)
        For each layer that is summarised, what stands for the units that are not drawn.
    colorbar_ : matplotlib Colorbar or None
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn_mlp.inspection import NetworkDisplay
    >>> display = NetworkDisplay(weights=[[[0.0, 0.1], [1.0, -2.0]], [[0.5], [3.0], [0.2]]])
    >>> display.plot(ax=Figure().subplots()).edges_[1].get_array().tolist()
    [0.2, 0.5, 3.0]
    """

    edges_: "list[LineCollection]"
    nodes_: "list[PathCollection]"
    bias_nodes_: "list[PathCollection]"
    feature_labels_: "list[Annotation]"
    output_labels_: "list[Annotation]"
    layer_labels_: "list[Annotation]"
    strongest_labels_: "list[Annotation]"
    ellipses_: "list[Text | None]"
    colorbar_: "Colorbar | None"
    ax_: "Axes"
    figure_: "Figure | SubFigure"

    def __init__(
        self,
        *,
        weights: Sequence[Any],
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        activation: str | None = None,
        weight_label: str = WEIGHT,
    ) -> None:
        self.weights = weights
        self.feature_names = feature_names
        self.output_names = output_names
        self.activation = activation
        self.weight_label = weight_label

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        bias: bool = True,
        max_units: int = 30,
        vmax: float | Literal["layer", "network"] = "layer",
        cmap: "str | Colormap" = "coolwarm",
        colorbar: bool = True,
        edge_kwargs: Style = None,
        node_kwargs: Style = None,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. Lines and labels are sized for the size
            that the axes have now.
        bias : bool, default=True
            Whether to draw the bias nodes, of which every weight is a bias.
        max_units : int, default=30
            The most units of a layer that are all drawn. Of a larger one, the first and the
            last six are, and how many there are is written between them.
        vmax : {"layer", "network"} or float, default="layer"
            The magnitude at which colours and widths end: that of the strongest weight drawn of
            each layer, which is written below it; of the whole network; or this one, so that
            networks can be compared.
        cmap : str or matplotlib Colormap, default="coolwarm"
            A diverging map; its middle is a weight of 0.
        colorbar : bool, default=True
            Whether to draw one.
        edge_kwargs, node_kwargs : dict, default=None
            Style of the lines and of the nodes, passed on to matplotlib.

        Returns
        -------
        self : NetworkDisplay

        Raises
        ------
        ValueError
            If the matrices or names do not fit each other, if weights are not finite, or if
            `max_units` is less than 2 or `vmax` not above 0.
        ImportError
            Without matplotlib.
        """
        if max_units < 2:
            raise ValueError(f"max_units must be at least 2, got {max_units!r}.")
        if vmax not in ("layer", "network") and not (isinstance(vmax, Real) and 0 < vmax < np.inf):
            raise ValueError(
                f"vmax must be 'layer', 'network' or above 0 and finite, got {vmax!r}."
            )
        weights = _matrices(self.weights)
        sizes = [len(weights[0]) - 1, *(W.shape[1] for W in weights)]
        feature_names = _names("feature_names", self.feature_names, "x", sizes[0])
        output_names = _names("output_names", self.output_names, "y", sizes[-1])
        columns = _columns(sizes, bias, max_units)
        drawn = [
            W[a.rows][:, b.units] for W, (a, b) in zip(weights, pairwise(columns), strict=True)
        ]

        ax = axes(f"{type(self).__name__}.plot", ax)
        top = max(column.row_heights.max() for column in columns)
        ax.set_xlim(-0.1, len(weights) + 0.1)
        ax.set_ylim(-top - 0.6, top + 0.6)
        ax.set_axis_off()
        self._draw_edges(ax, drawn, columns, vmax, cmap, edge_kwargs)
        self._draw_nodes(ax, columns, node_kwargs)
        self._label_nodes(ax, columns, feature_names, output_names)
        self.colorbar_ = self._draw_colorbar(ax, relative=vmax == "layer") if colorbar else None
        _lay_out(ax)  # how wide the layers are depends on what is beside them
        self._label_layers(ax, columns, with_strongest=vmax == "layer")
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _draw_edges(
        self,
        ax: "Axes",
        drawn: list[FloatArray],
        columns: list[Column],
        vmax: float | str,
        cmap: "str | Colormap",
        edge_kwargs: Style,
    ) -> None:
        """A line for each weight, the strongest of a layer on top."""
        from matplotlib.collections import LineCollection
        from matplotlib.colors import Normalize

        strongest = [float(np.abs(W).max()) for W in drawn]
        if vmax == "network":
            vmax = max(strongest)
        limits = strongest if vmax == "layer" else [float(vmax)] * len(drawn)
        widest = float(np.clip(0.12 * _place(ax), 1.6, 4.0))
        self.edges_ = []
        for i, W in enumerate(drawn):
            limit = limits[i] or 1.0  # without any weight, any limit will do
            start, end = columns[i].row_heights, columns[i + 1].heights
            order = np.argsort(np.abs(W), axis=None, kind="stable")
            strength = np.minimum(np.abs(W).ravel()[order] / limit, 1)
            from_unit, to_unit = np.unravel_index(order, W.shape)
            segments = [
                [(i, start[j]), (i + 1, end[k])] for j, k in zip(from_unit, to_unit, strict=True)
            ]
            faintest = np.clip(30 / W.size, 0.08, 0.8)  # many lines hide each other
            style = styled(
                {
                    "linewidth": THINNEST + (widest - THINNEST) * strength,
                    "alpha": faintest + (1 - faintest) * strength,
                    "cmap": cmap,
                    **EDGES,
                },
                edge_kwargs,
            )
            edges = LineCollection(
                segments, array=W.ravel()[order], norm=Normalize(-limit, limit), **style
            )
            ax.add_collection(edges, autolim=False)
            self.edges_.append(edges)

    def _draw_colorbar(self, ax: "Axes", *, relative: bool) -> "Colorbar":
        """The colours, without the transparency of the lines."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        first = self.edges_[0]
        strongest = [_strongest(edges) / (edges.get_clim()[1] or 1.0) for edges in self.edges_]
        label = f"{self.weight_label}\nrelative to the strongest of its layer"
        return ax.figure.colorbar(
            ScalarMappable(Normalize(-1, 1) if relative else first.norm, first.get_cmap()),
            ax=ax,
            label=label if relative else self.weight_label,
            extend="both" if max(strongest) > 1 else "neither",
            shrink=0.7,
            aspect=28,
            pad=0.03,
        )

    def _draw_nodes(self, ax: "Axes", columns: list[Column], node_kwargs: Style) -> None:
        """The units, and for each layer but the last the 1 that its biases multiply."""
        diameter = _diameter(ax)
        units = styled({**NODES, "s": diameter**2}, node_kwargs)
        biases = styled({**BIASES, "s": diameter**2}, node_kwargs)
        self.nodes_, self.bias_nodes_ = [], []
        for i, column in enumerate(columns):
            at = np.full(column.heights.size, i)
            self.nodes_.append(ax.scatter(at, column.heights, **units))
            if column.bias is None:
                continue
            self.bias_nodes_.append(ax.scatter([i], [column.bias], **biases))
            if diameter > 7:  # else it could not be read
                ax.text(
                    i,
                    column.bias,
                    "1",
                    fontsize=0.6 * diameter,
                    ha="center",
                    va="center_baseline",
                    color="0.3",
                    zorder=4,
                )

    def _label_nodes(
        self,
        ax: "Axes",
        columns: list[Column],
        feature_names: list[str],
        output_names: list[str],
    ) -> None:
        """The names of the inputs on the left and those of the outputs on the right."""
        away = _diameter(ax) / 2 + 4
        sides = [(0, feature_names, -away, "right"), (len(columns) - 1, output_names, away, "left")]
        labels = []
        for i, names, offset, alignment in sides:
            column = columns[i]
            heights = column.row_heights
            apart = np.abs(np.diff(heights)).min() if heights.size > 1 else np.inf
            style: dict[str, Any] = {
                "xytext": (offset, 0),
                "textcoords": "offset points",
                "ha": alignment,
                "va": "center",
                "fontsize": float(np.clip(0.8 * apart * _place(ax), 3, 10)),
            }
            labels.append(
                [
                    ax.annotate(_shortened(names[unit]), (i, height), **style)
                    for unit, height in zip(column.units, column.heights, strict=True)
                ]
            )
            if column.bias is not None:
                ax.annotate("bias", (i, column.bias), color="0.45", fontstyle="italic", **style)
        self.feature_labels_, self.output_labels_ = labels

    def _label_layers(self, ax: "Axes", columns: list[Column], *, with_strongest: bool) -> None:
        """What each layer is, above it, and below the lines the strongest weight of each."""
        labels = _titles(columns, self.activation)
        longest = max(len(line) for label in labels for line in label.splitlines())
        width = ax.get_window_extent().width * 72 / ax.figure.dpi / len(columns)
        size = float(np.clip(1.7 * width / longest, 4, 10))
        style: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": size}
        bottom, top = ax.get_ylim()
        self.layer_labels_ = [
            ax.annotate(label, (i, top), xytext=(0, 2), va="bottom", **style)
            for i, label in enumerate(labels)
        ]
        self.strongest_labels_ = []
        for i, edges in enumerate(self.edges_ if with_strongest else []):
            text = f"strongest\n{_strongest(edges):.3g}"
            label = ax.annotate(
                text, (i + 0.5, bottom), xytext=(0, -2), va="top", color="0.35", **style
            )
            self.strongest_labels_.append(label)
        self.ellipses_ = [
            None if column.gap is None else _write_in_gap(ax, i, column)
            for i, column in enumerate(columns)
        ]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike | None = None,
        *,
        scale: Literal["auto", "standardized", "raw"] = "auto",
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        bias: bool = True,
        max_units: int = 30,
        vmax: float | Literal["layer", "network"] = "layer",
        cmap: "str | Colormap" = "coolwarm",
        colorbar: bool = True,
        ax: "Axes | None" = None,
        edge_kwargs: Style = None,
        node_kwargs: Style = None,
    ) -> Self:
        """Draw a fitted network.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`~sklearn_mlp.SigmoidMLPRegressor`,
            :class:`~sklearn.neural_network.MLPRegressor` or other multi-layer perceptron with
            ``coefs_`` and ``intercepts_``, alone, at the end of a pipeline, or in a
            :class:`~sklearn.compose.TransformedTargetRegressor`.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            The data to standardise the weights by: inputs by their standard deviations, the
            outputs of a regressor by those of its predictions.
        scale : {"auto", "standardized", "raw"}, default="auto"
            Which weights to draw:

            - "standardized", those that act on z-scores and give z-scores, so that all can be
              compared: by X if it is given, else by the data that the network was trained on,
              which :class:`~sklearn_mlp.SigmoidMLPRegressor` with ``standardize=True`` knows
              after "lm", "adam", "sgd" and "gd";
            - "raw", those of ``coefs_`` and ``intercepts_``, in the units of what the network
              is given. Behind a :class:`~sklearn.preprocessing.StandardScaler` these are
              z-scores too;
            - "auto", standardised where that is possible, else raw. The colorbar says which.
        feature_names : sequence of str of length n_inputs, default=None
            By default those that the network or the steps before it have seen, else x0, x1
            and so on.
        output_names : sequence of str of length n_outputs, default=None
            By default y, or y0, y1 and so on.
        bias : bool, default=True
            Whether to draw the bias nodes.
        max_units : int, default=30
            The most units of a layer that are all drawn; larger ones are summarised.
        vmax : {"layer", "network"} or float, default="layer"
            The magnitude at which colours and widths end; see :meth:`plot`.
        cmap : str or matplotlib Colormap, default="coolwarm"
            A diverging map.
        colorbar : bool, default=True
            Whether to draw one.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        edge_kwargs, node_kwargs : dict, default=None
            Style of the lines and of the nodes, passed on to matplotlib.

        Returns
        -------
        display : NetworkDisplay

        Raises
        ------
        ValueError
            If the estimator is not fitted or not a multi-layer perceptron, if X is not what it
            was fitted on, or if "standardized" is asked for and nothing says by what.
        ImportError
            Without matplotlib.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from sklearn_mlp import SigmoidMLPRegressor
        >>> from sklearn_mlp.datasets import make_hyperplane
        >>> from sklearn_mlp.inspection import NetworkDisplay
        >>> table = make_hyperplane(200, random_state=0)
        >>> X, y = table[["a", "b", "c", "d"]], table["value"]
        >>> model = SigmoidMLPRegressor((5,), random_state=0).fit(X, y)
        >>> display = NetworkDisplay.from_estimator(model, ax=Figure().subplots())
        >>> [label.get_text() for label in display.feature_labels_]
        ['a', 'b', 'c', 'd']
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_choice("scale", scale, ("auto", "standardized", "raw"))
        network = FittedNetwork.of(estimator, X)
        weights, weight_label = _in_scale(network, scale)
        display = cls(
            weights=weights,
            feature_names=network.feature_names if feature_names is None else feature_names,
            output_names=output_names,
            activation=getattr(network.model, "activation", None),
            weight_label=weight_label,
        )
        return display.plot(
            ax,
            bias=bias,
            max_units=max_units,
            vmax=vmax,
            cmap=cmap,
            colorbar=colorbar,
            edge_kwargs=edge_kwargs,
            node_kwargs=node_kwargs,
        )


def _in_scale(network: FittedNetwork, scale: str) -> tuple[list[FloatArray], str]:
    """The weights to draw, and what they are called."""
    if scale == "raw":
        return network.weights, WEIGHT
    given = network.X is not None
    units = _units_of_data(network) if given else _units_of_training(network.model)
    if units is None:
        if scale == "standardized":
            raise ValueError(
                f"{type(network.model).__name__} does not know the z-scores of its data: give X "
                "to standardise by, or use scale='raw'."
            )
        return network.weights, WEIGHT
    raw = Units.raw(len(network.weights[0]) - 1, network.weights[-1].shape[1])
    weights = change_units(network.weights, raw, units)
    weights[0][1:] *= units.inputs.varies[:, np.newaxis]  # a constant has z-scores of 0
    return weights, STANDARDIZED


def _units_of_data(network: FittedNetwork) -> Units:
    """The moments of X and of the predictions for it."""
    predictions = network.arguments(network.n_hidden_layers)
    inputs, outputs = Rows(network.X, predictions).moments()
    linear = getattr(network.model, "out_activation_", "identity") == "identity"
    if not (is_regressor(network.model) and linear):  # what is predicted is not the weighted sum
        return Units(Scaling.of(inputs, float), Scaling.identity(predictions.shape[1]))
    return Units(Scaling.of(inputs, float), Scaling.of(outputs, float))


def _units_of_training(model: Any) -> Units | None:
    """What our own regressor was trained in, where that is z-scores and it has kept them."""
    if hasattr(model, "_posterior"):
        units: Units = model._posterior[1]
        return None if units.are_raw else units
    moments = getattr(getattr(model, "_left_off", None), "moments", None)
    if moments is None:
        return None
    return Units(Scaling.of(moments[0], float), Scaling.of(moments[1], float))


def _matrices(weights: Sequence[Any]) -> list[FloatArray]:
    """The weights as arrays, if they make a network."""
    matrices = [np.asarray(W, dtype=float) for W in weights]
    shapes = [W.shape for W in matrices]
    follow = all(len(shape) == 2 and shape[0] >= 2 and shape[1] >= 1 for shape in shapes) and all(
        a[1] + 1 == b[0] for a, b in pairwise(shapes)
    )
    if not matrices or not follow:
        raise ValueError(
            "weights must be matrices of shape (n_in + 1, n_out), each with as many inputs as "
            f"the one before has outputs, got the shapes {shapes}."
        )
    if not all(np.isfinite(W).all() for W in matrices):
        raise ValueError("weights must be finite.")
    return matrices


def _names(what: str, names: Sequence[str] | None, letter: str, n: int) -> list[str]:
    """A name for each, by default a letter and a number."""
    if names is None:
        return [letter] if n == 1 else [f"{letter}{j}" for j in range(n)]
    if isinstance(names, str) or len(names) != n:
        raise ValueError(f"{what} must be {n} names, got {names!r}.")
    return [str(name) for name in names]


def _shortened(name: str) -> str:
    """A name that is not too long: its middle goes, as names often differ at their ends."""
    if len(name) <= LONGEST_NAME:
        return name
    tail = (LONGEST_NAME - 1) // 3
    return f"{name[: LONGEST_NAME - 1 - tail]}…{name[-tail:]}"


def _columns(sizes: list[int], bias: bool, max_units: int) -> list[Column]:
    """The layers, each from top to bottom around a height of 0.

    Nodes are 1 apart in the fullest layer, and up to STRETCH in others.
    """
    layers = []
    for i, n in enumerate(sizes):
        units = np.arange(n)
        places = units.astype(float)
        if n > max_units:
            ends = min(N_ENDS, max_units // 2)
            units = np.append(units[:ends], units[-ends:])
            places = np.append(places[:ends], ends - 1 + GAP + places[:ends])
        first = -1.0 if bias and i < len(sizes) - 1 else 0.0
        layers.append((n, units, places, first))
    fullest = max(places[-1] - first for _, _, places, first in layers)
    columns = []
    for n, units, places, first in layers:
        span = places[-1] - first
        apart = min(fullest / span, STRETCH) if span else 1.0
        heights = ((places[-1] + first) / 2 - places) * apart
        middle = units.size // 2
        columns.append(
            Column(
                n_units=n,
                units=units,
                heights=heights,
                bias=heights[0] + apart if first else None,
                gap=heights[middle - 1 : middle + 1].mean() if units.size < n else None,
            )
        )
    return columns


def _titles(columns: list[Column], activation: str | None) -> list[str]:
    """What each layer is called and what it has, in as many lines each."""
    n_hidden = len(columns) - 2
    hidden = ["hidden layer"] if n_hidden == 1 else [f"hidden {i + 1}" for i in range(n_hidden)]
    units = [("feature", ""), *[("unit", activation or "")] * n_hidden, ("target", "")]
    last_line = n_hidden > 0 and activation is not None
    return [
        f"{title}\n{column.n_units} {kind}{'s' if column.n_units > 1 else ''}"
        + (f"\n{what}" if last_line else "")
        for title, column, (kind, what) in zip(
            ["input", *hidden, "output"], columns, units, strict=True
        )
    ]


def _write_in_gap(ax: "Axes", i: int, column: Column) -> "Text":
    """How many units there are, upright, so that it hides little of the lines behind."""
    text = f"… {column.n_units} {'features' if i == 0 else 'units'} …"
    gap = float(np.abs(np.diff(column.heights)).max()) - 1  # less the nodes at its ends
    return ax.text(
        i,
        column.gap or 0.0,
        text,
        rotation=90,
        ha="center",
        va="center",
        fontsize=float(np.clip(1.7 * gap * _place(ax) / (len(text) + 4), 4, 9)),
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 1},
        zorder=4,
    )


def _strongest(edges: "LineCollection") -> float:
    return float(np.abs(np.asarray(edges.get_array())).max())


def _lay_out(ax: "Axes") -> None:
    """Give the axes the place that they will have, if the figure sees to that."""
    figure = ax.figure.canvas.figure
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def _place(ax: "Axes") -> float:
    """The distance between nodes of the fullest layer, in points."""
    bottom, top = ax.get_ylim()
    return float(ax.get_window_extent().height * 72 / ax.figure.dpi / (top - bottom))


def _diameter(ax: "Axes") -> float:
    """The diameter of a node, in points."""
    return float(np.clip(0.66 * _place(ax), 2.5, 20))
