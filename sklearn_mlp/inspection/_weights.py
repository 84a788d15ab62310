"""The weights of a network diagram: their units, the widths of their lines, and the scales.

A connection moves what it leads to by its coefficient times the standard deviation of what passes
through it, and what a unit contributes to the outputs is divided among its inputs in proportion.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from scipy.stats import norm
from sklearn.utils import gen_batches

from .._typing import FloatArray
from ..model import Model
from ..standardize import Moments, Scaling, Units, change_units
from ._estimators import FittedNetwork, activated

WEIGHT = "weight"
STANDARDIZED = "weight, for z-scores of the data"

MOMENT_ROWS = 1_000
"""Rows that are made dense at a time."""

N_QUANTILES = 64
"""Points at which the spread of a unit is taken."""


def contributions_of(
    weights: Sequence[FloatArray], spreads: Sequence[FloatArray] | None
) -> list[FloatArray]:
    """How much each connection contributes to the outputs.

    What a unit contributes is divided among the connections into it, by how far each moves it:

        c_jk = abs(w_jk) s_j            R_k = √Σ_m C_km²
        C_jk = R_k c_jk / √Σ_j c_jk²    for the last layer C = c

    with s_j the standard deviation of what passes from j, and C_km of the next layer.

    Parameters
    ----------
    weights : sequence of array of shape (n_in + 1, n_out)
    spreads : sequence of array of shape (n_in,) or None
        Where they are not known, C is the size of the weight.

    Returns
    -------
    list of arrays of shape (n_in, n_out)
    """
    if spreads is None:
        return [np.abs(W[1:]) for W in weights]
    moves = [np.abs(W[1:]) * s[:, np.newaxis] for W, s in zip(weights, spreads, strict=True)]
    contributions = moves[-1:]
    for c in moves[-2::-1]:
        total = np.linalg.norm(c, axis=0)
        R = np.linalg.norm(contributions[0], axis=1)
        contributions.insert(0, c * (R / np.where(total > 0, total, 1)))
    return contributions


class Edges(NamedTuple):
    """The lines of a layer that are drawn.

    Attributes
    ----------
    weights : array of shape (n_drawn + 1 or n_drawn, n_out)
        The row of biases first, where they are drawn.
    contributions : array of shape (n_drawn, n_out)
        Of the coefficients.
    """

    weights: FloatArray
    contributions: FloatArray

    @property
    def coefs(self) -> FloatArray:
        """The weights but the biases."""
        return self.weights[len(self.weights) - len(self.contributions) :]

    def strength(self, limits: "Limits") -> FloatArray:
        """How wide each line is, 1 being the widest; shape of the weights."""
        strength = np.abs(self.weights) / limits.bias
        strength[-len(self.contributions) :] = self.contributions / limits.contribution
        return strength


class Limits(NamedTuple):
    """The largest values on the scales of colours, of widths, and of widths of biases."""

    weight: float
    contribution: float
    bias: float


def limits_of(edges: list[Edges], vmax: float | str) -> list[Limits]:
    """The limits of each layer: its own, those of the whole network, or a number."""
    if isinstance(vmax, str):
        ends = np.array(
            [[largest(e.coefs), largest(e.contributions), largest(e.weights)] for e in edges]
        )
        if vmax == "network":
            ends[:] = ends.max(axis=0)
        ends[ends == 0] = 1  # without any weight, any limit will do
    else:
        ends = np.full((len(edges), 3), float(vmax))
    return [Limits(*row) for row in ends.tolist()]


def largest(values: FloatArray) -> float:
    """The largest magnitude."""
    return float(np.abs(values).max())


def in_scale(network: FittedNetwork, scale: str) -> tuple[list[FloatArray], str]:
    """The weights to draw, and what they are called."""
    model = network.model
    if scale == "raw":
        return model.weights, WEIGHT
    if network.X is not None:
        units = _units_of_data(network)
        raw = Units.raw(model.network.layer_sizes[0], model.network.layer_sizes[-1])
        weights = change_units(model.weights, raw, units)
        weights[0][1:] *= units.inputs.varies[:, np.newaxis]  # a constant has z-scores of 0
        return weights, STANDARDIZED
    if not model.units.are_raw:
        return model.standardized_weights, STANDARDIZED
    if scale == "standardized":
        raise ValueError(
            f"{network.name} does not know the z-scores of its data: give X to standardise by, or "
            "use scale='raw'."
        )
    return model.weights, WEIGHT


def _units_of_data(network: FittedNetwork) -> Units:
    """The z-scores of X and, where predictions are sums of weights, of the predictions for it."""
    inputs = Scaling.of(_moments(network.X), float)
    if network.model.link != "identity":
        return Units(inputs, Scaling.identity(network.model.network.layer_sizes[-1]))
    predictions = network.arguments(network.n_hidden_layers)
    return Units(inputs, Scaling.of(_moments(predictions), float))


def _moments(X: Any) -> Moments:
    """The means and standard deviations of the columns, a few rows at a time."""
    parts = (X[rows] for rows in gen_batches(X.shape[0], MOMENT_ROWS))
    dense = (part.toarray() if issparse(part) else part for part in parts)
    return reduce(add, (Moments.of(np.asarray(part, dtype=float).T) for part in dense))


def spreads_of(network: FittedNetwork, *, raw: bool) -> list[FloatArray] | None:
    """The standard deviations of the inputs of each layer: in X, else as estimated for training.

    None if neither is known.
    """
    model = network.model
    if network.X is not None:
        inputs = _moments(network.X).std
        if not raw:
            inputs = (inputs > 0).astype(float)
        hidden = (
            activated(model, network.arguments(layer)) for layer in range(network.n_hidden_layers)
        )
        return [inputs, *(h.std(axis=0) for h in hidden)]
    if model.units.are_raw:
        return None
    spreads = _spreads_in_training(model)
    if raw:
        spreads[0] = spreads[0] * model.units.inputs.scale
    return spreads


def _spreads_in_training(model: Model) -> list[FloatArray]:
    """Estimated standard deviations, as if inputs were independent and sums of them Gaussian.

    The inputs are z-scores. The mean and the standard deviation of f(z), z ~ N(m, s²), are taken
    over evenly spaced quantiles of z.
    """
    quantiles = norm.ppf((np.arange(N_QUANTILES) + 0.5) / N_QUANTILES)[:, np.newaxis]
    mean = np.zeros(model.network.layer_sizes[0])
    spreads = [model.units.inputs.varies.astype(float)]
    for W in model.standardized_weights[:-1]:
        s = np.sqrt(spreads[-1] ** 2 @ W[1:] ** 2)
        h = activated(model, mean @ W[1:] + W[0] + s * quantiles)
        mean = h.mean(axis=0)
        spreads.append(h.std(axis=0))
    return spreads
