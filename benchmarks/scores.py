"""Scores of predictive distributions, by closed form: the log density, the CRPS, intervals.

Each is of mixtures of Gaussians, of which a Gaussian is one. Only the log density is better if it
is higher. It has no command: tabular.py and noise.py import it.
"""

import numpy as np
from scipy.special import logsumexp, ndtr

from sklearn_mlp.mixture import Mixture


def gaussian(mean: np.ndarray, std: np.ndarray) -> Mixture:
    """The Gaussian of each row as a mixture of one part."""
    shape = (len(mean), 1, 1)
    return Mixture(np.ones(1), np.reshape(mean, shape), np.reshape(std, shape))


def log_density(mixture: Mixture, y: np.ndarray) -> np.ndarray:
    """log p of each row."""
    z = (y[:, np.newaxis] - mixture.mean[:, 0]) / mixture.std[:, 0]
    logs = -0.5 * z**2 - np.log(np.sqrt(2 * np.pi) * mixture.std[:, 0])
    density: np.ndarray = logsumexp(logs, b=mixture.shares, axis=1)
    return density


def crps(mixture: Mixture, y: np.ndarray) -> np.ndarray:
    """The CRPS of each row: E|Y - y| - ½ E|Y - Y'| of Gaussian mixtures (Grimit et al., 2006)."""
    p, mean, std = mixture.shares, mixture.mean[:, 0], mixture.std[:, 0]

    def absolute(mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        z = mu / sigma
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        result: np.ndarray = mu * (2 * ndtr(z) - 1) + 2 * sigma * density
        return result

    first = absolute(y[:, np.newaxis] - mean, std) @ p
    difference = mean[:, :, np.newaxis] - mean[:, np.newaxis]
    both = np.hypot(std[:, :, np.newaxis], std[:, np.newaxis])
    score: np.ndarray = first - 0.5 * np.einsum("nij,i,j->n", absolute(difference, both), p, p)
    return score


def interval(mixture: Mixture, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the central interval of each row."""
    tail = 0.5 * (1 - level)
    low, high = mixture.quantiles(np.array([tail, 1 - tail]))[:, :, 0].T
    return low, high


def interval_score(mixture: Mixture, y: np.ndarray, level: float) -> np.ndarray:
    """The width of the central interval, and 2/(1 - level) times how far y is outside.

    (Gneiting & Raftery, 2007.)
    """
    low, high = interval(mixture, level)
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    score: np.ndarray = high - low + 2 / (1 - level) * outside
    return score
