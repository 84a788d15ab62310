"""The layout of a network diagram: which nodes are drawn, where, and the titles of the layers.

Layers are columns, from left to right. The nodes of a column are centred at a height of 0, the bias
node on top.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .._typing import FloatArray, IntArray

N_ENDS = 6
"""Units drawn on either side of the gap of a layer that is summarised."""

GAP = 5
"""The size of the gap, in units."""

STRETCH = 3
"""The largest distance between units, in distances of the fullest layer."""


class Column(NamedTuple):
    """The nodes of a layer and their heights.

    Attributes
    ----------
    n_units : int
        Units in the layer, drawn or not.
    units : array of shape (n_drawn,)
        The units that are drawn.
    heights : array of shape (n_drawn,)
        Their heights.
    bias : float or None
        The height of the bias node.
    gap : float or None
        The height of the text in place of the units that are not drawn.
    """

    n_units: int
    units: IntArray
    heights: FloatArray
    bias: float | None
    gap: float | None

    @property
    def rows(self) -> IntArray:
        """The rows of the next matrix of weights that are drawn as lines."""
        biases = [] if self.bias is None else [0]
        return np.array([*biases, *(self.units + 1)], dtype=np.intp)

    @property
    def row_heights(self) -> FloatArray:
        """The heights at which these lines start."""
        return np.array([*([] if self.bias is None else [self.bias]), *self.heights])


def network_columns(shown: Sequence[IntArray], sizes: Sequence[int], bias: bool) -> list[Column]:
    """The nodes of each layer, from top to bottom.

    Nodes are 1 apart in the fullest layer, and up to STRETCH in others.

    Parameters
    ----------
    shown : sequence of array of int
        The units of each layer that are drawn, in order.
    sizes : sequence of int
        How many each layer has.
    bias : bool
        Whether layers but the last have a bias node.
    """
    layers = []
    for i, (units, n) in enumerate(zip(shown, sizes, strict=True)):
        places = np.arange(units.size, dtype=float)
        if units.size < n:
            places[units.size // 2 :] += GAP - 1
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


def shown_units(
    contributions: Sequence[FloatArray],
    importances: FloatArray | None,
    max_units: int,
    units: str,
) -> list[IntArray]:
    """The units of each layer that are drawn: all, or the few that contribute most or the ends.

    Parameters
    ----------
    contributions : sequence of array of shape (n_in, n_out)
        Of the connections of each layer.
    importances : array of shape (n_inputs,) or None
        How much each input matters, if that is known; then it decides which inputs are drawn.
    max_units : int
    units : {"strongest", "ends"}
    """
    strengths = [np.linalg.norm(C, axis=1) for C in contributions]
    strengths.append(np.linalg.norm(contributions[-1], axis=0))  # of the outputs
    if importances is not None:
        strengths[0] = importances
    few = 2 * min(N_ENDS, max_units // 2)
    shown = []
    for strength in strengths:
        n = strength.size
        if n <= max_units:
            shown.append(np.arange(n))
        elif units == "ends":
            shown.append(np.r_[: few // 2, n - few // 2 : n])
        else:
            shown.append(np.sort(np.argsort(-strength, kind="stable")[:few]))
    return shown


def titles(columns: list[Column], activation: str | None, *, shaded: bool) -> list[str]:
    """The title of each layer: name, size and a note, in the same number of lines."""
    n_hidden = len(columns) - 2
    hidden = ["hidden layer"] if n_hidden == 1 else [f"hidden {i + 1}" for i in range(n_hidden)]
    names = ["input", *hidden, "output"]
    kinds = ["feature", *["unit"] * n_hidden, "target"]
    notes = ["dark: relevant" if shaded else "", *[activation or ""] * n_hidden, ""]
    lines = [
        [name, f"{column.n_units} {kind}{'s' if column.n_units > 1 else ''}", note]
        for name, column, kind, note in zip(names, columns, kinds, notes, strict=True)
    ]
    n_lines = 3 if any(notes) else 2
    return ["\n".join(line[:n_lines]) for line in lines]


def check_follows(weights: Sequence[Any]) -> list[FloatArray]:
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
