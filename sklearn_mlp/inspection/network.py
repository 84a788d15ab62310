"""A network as a diagram: nodes in layers, and the weights as the lines between them.

Weights can be compared with each other if they act on z-scores. For inputs x and outputs y of means
m and standard deviations s, the same function of z-scores has the weights

    first layer    W s_x              b + Wᵀ m_x
    last layer     V / s_y            (c - m_y) / s_y
"""

from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from .._typing import FloatArray, MatrixLike
from ._data import check_choice, vector
from ._drawing import Display, Style, collection_style, point_style, shortened
from ._estimators import FittedNetwork
from ._layout import Column, check_follows, network_columns, shown_units, titles
from ._weights import WEIGHT, Edges, contributions_of, in_scale, largest, limits_of, spreads_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.text import Annotation, Text

LONGEST_NAME = 18
"""Characters of a name that are shown beside a node."""

THINNEST = 0.5
"""The width of a line, in points, that stands for a weight of 0."""

DARKEST = 0.6
"""The grey of the most relevant input, from white, 0, to black, 1."""

EDGES = {"capstyle": "round", "clip_on": False, "zorder": 1}
NODES = {"facecolor": "white", "edgecolor": "0.25", "linewidth": 1.0, "clip_on": False, "zorder": 3}
BIASES = {"facecolor": "0.88", "edgecolor": "0.5", "linewidth": 0.8, "clip_on": False, "zorder": 3}


class NetworkDisplay(Display):
    """A multi-layer perceptron as a diagram, inputs on the left and outputs on the right.

    The colour of a line is the sign and the size of its weight, on a square-root scale, by
    default relative to the strongest of its layer. Its width and opacity are how much it
    contributes to the outputs, where that is known, else the size of the weight. Biases have a
    scale of their own, so that a large one does not hide the other weights. The strongest lines
    are on top.

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
        The activation of the hidden units, written above them.
    weight_label : str, default="weight"
        The label of the colorbar.
    spreads : sequence of array-like of shape (n_in,), default=None
        For each layer, the standard deviation of what it reads. A line moves its unit by weight
        times deviation. In the last layer this is its width; before it, what a unit contributes
        to the outputs is divided in proportion among the lines into the unit. By default widths
        are the sizes of the weights.
    importances : array-like of shape (n_inputs,), default=None
        How much each input matters, at least 0: the more, the darker its node.

    Attributes
    ----------
    edges_ : list of matplotlib LineCollection
        The lines into each layer but the first, the weakest first. The array of each
        collection has the weights.
    nodes_ : list of matplotlib PathCollection
        The units of each layer that are drawn.
    bias_nodes_ : list of matplotlib PathCollection
        The bias node of each layer but the last; empty if they are not drawn.
    feature_labels_, output_labels_ : list of matplotlib Annotation
        The names at the inputs and outputs that are drawn; long ones are shortened.
    layer_labels_ : list of matplotlib Annotation
        The title of each layer.
    strongest_labels_ : list of matplotlib Annotation
        The magnitude of each layer's strongest weight, biases aside, below its lines; empty
        unless colours are relative to it.
    ellipses_ : list of (matplotlib Text or None)
        For each layer that is summarised, the text in place of the units that are not drawn.
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

    def __init__(
        self,
        *,
        weights: Sequence[Any],
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        activation: str | None = None,
        weight_label: str = WEIGHT,
        spreads: Sequence[ArrayLike] | None = None,
        importances: ArrayLike | None = None,
    ) -> None:
        self.weights = weights
        self.feature_names = feature_names
        self.output_names = output_names
        self.activation = activation
        self.weight_label = weight_label
        self.spreads = spreads
        self.importances = importances

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        bias: bool = True,
        max_units: int = 30,
        units: Literal["strongest", "ends"] = "strongest",
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
            Whether to draw the bias nodes. The lines from these are the biases.
        max_units : int, default=30
            The most units of a layer that are all drawn. Of a larger one twelve are, and how
            many there are is written between them.
        units : {"strongest", "ends"}, default="strongest"
            Which units of a larger layer are drawn: those that contribute most to the next
            layer, in their order, or the first and the last six.
        vmax : {"layer", "network"} or float, default="layer"
            The magnitude at which colours and widths end: that of the strongest weight drawn of
            each layer, biases aside, which is written below it; that of the whole network; or
            this number, so that networks can be compared.
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
        _check_limits(max_units, vmax)
        check_choice("units", units, ("strongest", "ends"))
        weights = check_follows(self.weights)
        sizes = [len(weights[0]) - 1, *(W.shape[1] for W in weights)]
        feature_names = _names("feature_names", self.feature_names, "x", sizes[0])
        output_names = _names("output_names", self.output_names, "y", sizes[-1])
        importances = self._checked_importances(sizes[0])
        contributions = contributions_of(weights, self._checked_spreads(sizes))
        shown = shown_units(contributions, importances, max_units, units)
        columns = network_columns(shown, sizes, bias)

        ax = self._axes(ax)
        top = max(column.row_heights.max() for column in columns)
        ax.set_xlim(-0.1, len(weights) + 0.1)
        ax.set_ylim(-top - 0.6, top + 0.6)
        ax.set_axis_off()
        edges = [
            Edges(W[a.rows][:, b.units], C[a.units][:, b.units])
            for W, C, (a, b) in zip(weights, contributions, pairwise(columns), strict=True)
        ]
        self._draw_edges(ax, edges, columns, vmax, cmap, edge_kwargs)
        self._draw_nodes(ax, columns, node_kwargs)
        self._shade_inputs(columns[0], importances, node_kwargs)
        self._label_nodes(ax, columns, feature_names, output_names)
        self.colorbar_ = self._draw_colorbar(ax, relative=vmax == "layer") if colorbar else None
        _lay_out(ax)  # the width of the axes depends on what is beside them
        self._label_layers(ax, columns)
        strongest = [largest(layer.coefs) for layer in edges]
        self._label_strongest(ax, strongest if vmax == "layer" else [])
        return self._drawn_on(ax)

    def _checked_spreads(self, sizes: list[int]) -> list[FloatArray] | None:
        """The deviations of what each layer reads, if there is one for each of its inputs."""
        if self.spreads is None:
            return None
        spreads = [vector("spreads", s) for s in self.spreads]
        if [s.size for s in spreads] != sizes[:-1] or any((s < 0).any() for s in spreads):
            raise ValueError(f"spreads must be vectors of {sizes[:-1]} numbers of at least 0.")
        return spreads

    def _checked_importances(self, n_inputs: int) -> FloatArray | None:
        """How much each input matters, if that is known."""
        if self.importances is None:
            return None
        importances = vector("importances", self.importances)
        if importances.size != n_inputs or (importances < 0).any():
            raise ValueError(f"importances must be {n_inputs} numbers of at least 0.")
        return importances

    def _draw_edges(
        self,
        ax: "Axes",
        edges: list[Edges],
        columns: list[Column],
        vmax: float | str,
        cmap: "str | Colormap",
        edge_kwargs: Style,
    ) -> None:
        """A line for each weight, the strongest of a layer on top."""
        from matplotlib.collections import LineCollection

        widest = float(np.clip(0.12 * _place(ax), 1.6, 4.0))
        self.edges_ = []
        for i, (layer, limits) in enumerate(zip(edges, limits_of(edges, vmax), strict=True)):
            strength = layer.strength(limits)
            order = np.argsort(strength, axis=None, kind="stable")
            start, end = columns[i].row_heights, columns[i + 1].heights
            from_unit, to_unit = np.unravel_index(order, strength.shape)
            segments = [
                [(i, start[j]), (i + 1, end[k])] for j, k in zip(from_unit, to_unit, strict=True)
            ]
            strength = np.minimum(strength.ravel()[order], 1)
            faintest = np.clip(30 / strength.size, 0.08, 0.8)  # many lines hide each other
            defaults = {
                "linewidth": THINNEST + (widest - THINNEST) * strength,
                "alpha": faintest + (1 - faintest) * strength,
                "cmap": cmap,
                **EDGES,
            }
            lines = LineCollection(
                segments,
                array=layer.weights.ravel()[order],
                norm=_colour_scale(limits.weight),
                **collection_style(defaults, edge_kwargs),
            )
            ax.add_collection(lines, autolim=False)
            self.edges_.append(lines)

    def _draw_colorbar(self, ax: "Axes", *, relative: bool) -> "Colorbar":
        """The colours, without the transparency of the lines."""
        from matplotlib.cm import ScalarMappable

        first = self.edges_[0]
        beyond = any(
            largest(np.asarray(e.get_array())) > (e.get_clim()[1] or 1.0) for e in self.edges_
        )
        label = f"{self.weight_label}\nrelative to the strongest of its layer"
        return ax.figure.colorbar(
            ScalarMappable(_colour_scale(1.0) if relative else first.norm, first.get_cmap()),
            ax=ax,
            label=label if relative else self.weight_label,
            extend="both" if beyond else "neither",
            shrink=0.7,
            aspect=28,
            pad=0.03,
        )

    def _draw_nodes(self, ax: "Axes", columns: list[Column], node_kwargs: Style) -> None:
        """The units, and the bias node of each layer but the last."""
        diameter = _diameter(ax)
        units = point_style({**NODES, "s": diameter**2}, node_kwargs)
        biases = point_style({**BIASES, "s": diameter**2}, node_kwargs)
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

    def _shade_inputs(
        self, column: Column, importances: FloatArray | None, node_kwargs: Style
    ) -> None:
        """Make the inputs that matter most the darkest, unless a colour is chosen."""
        chosen = {"c", "color", "facecolor", "facecolors", "fc"} & set(node_kwargs or {})
        if importances is None or chosen or not importances.any():
            return
        greys = 1 - DARKEST * importances[column.units] / importances.max()
        self.nodes_[0].set_facecolor([(grey, grey, grey) for grey in greys.tolist()])

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
                    ax.annotate(
                        shortened(names[unit], LONGEST_NAME),
                        (i, height),
                        parse_math=False,  # "$" is a character
                        **style,
                    )
                    for unit, height in zip(column.units, column.heights, strict=True)
                ]
            )
            if column.bias is not None:
                ax.annotate("bias", (i, column.bias), color="0.45", fontstyle="italic", **style)
        self.feature_labels_, self.output_labels_ = labels

    def _label_layers(self, ax: "Axes", columns: list[Column]) -> None:
        """What each layer is, above it, and how many units it has where not all are drawn."""
        labels = titles(columns, self.activation, shaded=self.importances is not None)
        style = _layer_style(ax, labels)
        top = ax.get_ylim()[1]
        self.layer_labels_ = [
            ax.annotate(label, (i, top), xytext=(0, 2), va="bottom", **style)
            for i, label in enumerate(labels)
        ]
        self.ellipses_ = [
            None if column.gap is None else _write_in_gap(ax, i, column)
            for i, column in enumerate(columns)
        ]

    def _label_strongest(self, ax: "Axes", strongest: list[float]) -> None:
        """The strongest weight of each layer, below its lines."""
        style = _layer_style(ax, [label.get_text() for label in self.layer_labels_])
        bottom = ax.get_ylim()[0]
        self.strongest_labels_ = [
            ax.annotate(
                f"strongest\n{weight:.3g}",
                (i + 0.5, bottom),
                xytext=(0, -2),
                va="top",
                color="0.35",
                **style,
            )
            for i, weight in enumerate(strongest)
        ]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike | None = None,
        *,
        scale: Literal["auto", "standardized", "raw"] = "auto",
        member: int = 0,
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        bias: bool = True,
        max_units: int = 30,
        units: Literal["strongest", "ends"] = "strongest",
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
            ``coefs_``, ``intercepts_`` and ``activation``; or a
            :class:`~sklearn_mlp.SigmoidMLPEnsembleRegressor`, of which one member is drawn. It
            may be at the end of a pipeline, in a search such as
            :class:`~sklearn.model_selection.GridSearchCV`, or in a
            :class:`~sklearn.compose.TransformedTargetRegressor`.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Data whose z-scores the weights are for: those of the inputs and, of a regressor,
            those of its predictions. The widths of the lines are those in these data.
        scale : {"auto", "standardized", "raw"}, default="auto"
            Which weights to draw:

            - "standardized", those that act on z-scores and give z-scores, so that all can be
              compared. The z-scores are those of X if it is given, else those that
              :class:`~sklearn_mlp.SigmoidMLPRegressor` with ``standardize=True`` was trained
              on. Some losses leave the targets as they are, such as "poisson": then so are the
              outputs here;
            - "raw", those of ``coefs_`` and ``intercepts_``, in the units of what the network
              is given. Behind a :class:`~sklearn.preprocessing.StandardScaler` these are
              z-scores too;
            - "auto", standardised where that is possible, else raw. The colorbar says which.
        member : int, default=0
            Which member of an ensemble to draw, the first by default.
        feature_names : sequence of str of length n_inputs, default=None
            By default those that the network or the steps before it have seen, else x0, x1
            and so on.
        output_names : sequence of str of length n_outputs, default=None
            By default y, or y0, y1 and so on.
        bias : bool, default=True
            Whether to draw the bias nodes.
        max_units : int, default=30
            The most units of a layer that are all drawn; larger ones are summarised.
        units : {"strongest", "ends"}, default="strongest"
            Which units of a larger layer are drawn; see :meth:`plot`.
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
            If the estimator is not fitted or not a multi-layer perceptron, if X has other
            columns than in the fit, or if "standardized" is asked for and the z-scores are not
            known.
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
        cls._require_matplotlib("from_estimator")
        check_choice("scale", scale, ("auto", "standardized", "raw"))
        network = FittedNetwork.of(estimator, X, member=member)
        weights, weight_label = in_scale(network, scale)
        display = cls(
            weights=weights,
            feature_names=network.feature_names if feature_names is None else feature_names,
            output_names=output_names,
            activation=network.model.network.activation,
            weight_label=weight_label,
            spreads=spreads_of(network, raw=weight_label == WEIGHT),
            importances=network.importances,
        )
        return display.plot(
            ax,
            bias=bias,
            max_units=max_units,
            units=units,
            vmax=vmax,
            cmap=cmap,
            colorbar=colorbar,
            edge_kwargs=edge_kwargs,
            node_kwargs=node_kwargs,
        )


def _check_limits(max_units: int, vmax: float | str) -> None:
    """Raise unless these are what :meth:`NetworkDisplay.plot` takes."""
    if max_units < 2:
        raise ValueError(f"max_units must be at least 2, got {max_units!r}.")
    if vmax not in ("layer", "network") and not (isinstance(vmax, Real) and 0 < vmax < np.inf):
        raise ValueError(f"vmax must be 'layer', 'network' or above 0 and finite, got {vmax!r}.")


def _names(what: str, names: Sequence[str] | None, letter: str, n: int) -> list[str]:
    """A name for each, by default a letter and a number."""
    if names is None:
        return [letter] if n == 1 else [f"{letter}{j}" for j in range(n)]
    if isinstance(names, str) or len(names) != n:
        raise ValueError(f"{what} must be {n} names, got {names!r}.")
    return [str(name) for name in names]


def _colour_scale(limit: float) -> "Normalize":
    """The colours of weights, by their square roots, so that small ones show their sign."""
    from matplotlib.colors import FuncNorm

    return FuncNorm((_signed_root, _signed_square), -limit, limit)


def _signed_root(weight: Any) -> Any:
    return np.sign(weight) * np.sqrt(np.abs(weight))


def _signed_square(root: Any) -> Any:
    return np.sign(root) * np.square(root)


def _layer_style(ax: "Axes", labels: list[str]) -> dict[str, Any]:
    """The style of what stands above and below the layers, small enough for the longest line."""
    longest = max(len(line) for label in labels for line in label.splitlines())
    width = ax.get_window_extent().width * 72 / ax.figure.dpi / len(labels)
    size = float(np.clip(1.7 * width / longest, 4, 10))
    return {"textcoords": "offset points", "ha": "center", "fontsize": size}


def _write_in_gap(ax: "Axes", i: int, column: Column) -> "Text":
    """Write how many units there are, upright, so that it hides few of the lines behind."""
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


def _lay_out(ax: "Axes") -> None:
    """Place the axes where the layout engine of the figure, if any, will have them."""
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
