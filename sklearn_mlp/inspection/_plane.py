"""Planes through the space of the weights: of two weights, or of what a path varies most in."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from .._typing import FloatArray
from ..network import Network
from ._descent import Descent
from ._drawing import shortened

Weight: TypeAlias = tuple[int, int | str, int]
"""A layer; an input by position, by the name of a feature, or "bias"; and a unit."""

NARROWEST = 0.05
"""The least extent of the plane in one direction, as a share of its extent in the other."""


class Plane(NamedTuple):
    """A plane through the space of the weights.

    Attributes
    ----------
    origin : array of shape (n_parameters,)
        The weights at its coordinates (0, 0).
    directions : array of shape (2, n_parameters)
        Orthonormal.
    labels : tuple of str
        What its axes are called.
    """

    origin: FloatArray
    directions: FloatArray
    labels: tuple[str, str]

    def coordinates(self, path: FloatArray) -> FloatArray:
        """The coordinates (n_points, 2) of the points that are nearest to these weights."""
        return (path - self.origin) @ self.directions.T

    def weights(self, points: FloatArray) -> Iterator[FloatArray]:
        """The weights at each of some points of the plane (n_points, 2)."""
        return (self.origin + point @ self.directions for point in points)


def leading_plane(path: FloatArray) -> Plane:
    """The plane through the end of a path that has most of its variance about the end."""
    end = path[-1]
    _, s, V = np.linalg.svd(path - end, full_matrices=False)
    if not s[0] > 1e-12 * np.abs(end).max():
        raise ValueError(
            "Training has not moved the weights, so there is no path to lay a plane along: "
            "choose two weights."
        )
    share = s**2 / (s**2).sum()
    if len(s) < 2 or s[1] <= 1e-12 * s[0]:  # a straight path: add an axis across it
        across = np.zeros_like(end)
        across[np.abs(V[0]).argmin()] = 1
        across -= (across @ V[0]) * V[0]
        V, share = np.array([V[0], across / np.linalg.norm(across)]), np.array([1.0, 0.0])
    # Singular vectors have no sign: the path is to start at the upper left.
    start = V[:2] @ (path[0] - end)
    directions = V[:2] * np.where(start * [-1, 1] < 0, -1, 1)[:, np.newaxis]
    first, second = (
        f"{which} direction of the path\n({_percentage(part)} of its variance)"
        for which, part in zip(("leading", "second"), share[:2], strict=True)
    )
    return Plane(end, directions, (first, second))


def _percentage(share: float) -> str:
    """A percentage, with a decimal where it would else be rounded to 0 or 100."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "over 99.9 %"
    return f"{100 * share:.{0 if 0.01 <= share <= 0.99 else 1}f} %"


def plane_of_weights(descent: Descent, weights: Sequence[Weight]) -> Plane:
    """The plane through the end of the path whose coordinates are two weights."""
    network = descent.network
    if len(weights) != 2 or any(len(weight) != 3 for weight in weights):
        raise ValueError(f"weights must be two of (layer, input, unit), got {weights!r}.")
    at = [_position(network, weight, descent.features) for weight in weights]
    if at[0] == at[1]:
        raise ValueError(f"The two weights must differ, got {weights[0]!r} twice.")
    directions = np.eye(network.n_parameters)[at]
    origin = descent.path[-1].copy()
    origin[at] = 0
    first, second = (
        _label(network, position, descent.features, of_z_scores=descent.of_z_scores)
        for position in at
    )
    return Plane(origin, directions, (first, second))


def _position(network: Network, weight: Weight, features: list[str] | None) -> int:
    """Where a weight is in the flat vector."""
    layer, source, unit = weight
    n_layers = len(network.shapes)
    if not 0 <= layer < n_layers:
        raise ValueError(f"layer must be 0 to {n_layers - 1}, got {layer!r} in {weight!r}.")
    n_rows, n_units = network.shapes[layer]
    if not 0 <= unit < n_units:
        raise ValueError(f"unit must be 0 to {n_units - 1}, got {unit!r} in {weight!r}.")
    if layer == 0 and features is not None and source in features:
        row = 1 + features.index(str(source))
    elif source == "bias":
        row = 0
    elif isinstance(source, str):
        known = f"the features {', '.join(map(repr, features[:20]))}" if features else "no features"
        known += ", ..." if features and len(features) > 20 else ""
        raise ValueError(f"input must be a position or 'bias', got {source!r}; X names {known}.")
    elif 0 <= source < n_rows - 1:
        row = 1 + source
    else:
        raise ValueError(f"input must be 0 to {n_rows - 2}, got {source!r} in {weight!r}.")
    positions = network.layers(np.arange(network.n_parameters, dtype=np.float64))
    return int(positions[layer][row, unit])


def _label(
    network: Network, position: int, features: list[str] | None, *, of_z_scores: bool
) -> str:
    """What an axis calls a weight."""
    positions = network.layers(np.arange(network.n_parameters, dtype=np.float64))
    layer = next(i for i, P in enumerate(positions) if position <= P[-1, -1])
    ((row, unit),) = np.argwhere(positions[layer] == position)
    last = len(positions) - 1

    def unit_of(which: int, k: int) -> str:
        if which == last:
            return "the output" if network.layer_sizes[-1] == 1 else f"output {k}"
        return f"hidden unit {k}" if last == 1 else f"unit {k} of hidden layer {which}"

    if row == 0:
        label = f"bias of {unit_of(layer, unit)}"
    else:
        feature = f"x{row - 1}" if features is None else features[row - 1]
        source = shortened(feature) if layer == 0 else unit_of(layer - 1, row - 1)
        label = f"weight from {source} to {unit_of(layer, unit)}"
    return f"{label}\n(of z-scores)" if of_z_scores and layer in (0, last) else label


def span(path: FloatArray, axis: int, margin: float, n_points: int) -> FloatArray:
    """The coordinates along one axis: those of the path, and a margin on either side."""
    low, high = path.min(axis=0), path.max(axis=0)
    widest = max(float((high - low).max()), 1e-3 * float(np.abs(path).max())) or 1.0
    extent = float((high - low)[axis])
    # A direction in which nothing moves takes its scale from the other.
    extent = widest if extent < 1e-9 * widest else max(extent, NARROWEST * widest)
    middle = (low + high)[axis] / 2
    half = (0.5 + margin) * extent
    return np.linspace(middle - half, middle + half, n_points)
