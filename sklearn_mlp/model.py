"""The fitted model. Everything that uses a fit reads this.

A model predicts with weights that act on raw X and give raw y. The posterior of the weights is in
the units of training, and so are the inputs that it takes.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import DTypeLike
from scipy.stats import gamma, nbinom, poisson

from ._typing import FloatArray, MatrixLike
from .activations import OUTPUT_ACTIVATIONS
from .mixture import Mixture
from .network import Network, PartialNetwork
from .noise import NoiseVariances, VaryingNoise
from .objective import NetworkKernel, Objective, Predictions
from .overflow import finite, overflow, unwarned, without_nan
from .posterior import (
    DispersionVariances,
    Posterior,
    PredictiveMixtures,
    PredictiveVariances,
)
from .rows import Block, RowKernel, Rows, Work
from .standardize import Scaling, Units, change_units

LEAST_OVERDISPERSION = 1e-6
"""With less, the quantiles of counts are those of Poisson's distribution."""

LARGE_COUNT = 1e8
"""The quantiles of larger counts are those of a gamma distribution. For counts of 1e12 and more,
SciPy's quantiles can be NaN, take minutes, or end the process."""


@dataclass(frozen=True)
class Model:
    """A fitted network, the units of its training, and the posterior of its weights.

    Attributes
    ----------
    network : Network
    weights : list of arrays of shape (n_in + 1, n_out)
        The matrix of each layer, bias row first. They act on raw X and give raw y.
    units : Units
        The units of the inputs and the targets in training.
    link : {"identity", "exp"}
        The function that turns the network's output into the prediction, a key of
        ``OUTPUT_ACTIVATIONS``.
    posterior : Posterior or None
        The posterior of the weights in `units`.
    relevances : array of shape (n_features,) or None
        How much each input matters, summing to one. None if there is no posterior.
    noise : VaryingNoise or None
        The noise as a function of the inputs, in `units`. None if it is constant.
    power : int
        p, if the variance of an observation is φ ŷᵖ: see :mod:`~sklearn_mlp.losses`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.model import Model
    >>> model = Model.of_weights([np.array([[1.0], [2.0]])], "identity")  # ŷ = 1 + 2 x
    >>> model.predict(np.array([[0.0], [3.0]]))
    array([[1.],
           [7.]])
    """

    network: Network
    weights: list[FloatArray]
    units: Units
    link: str = "identity"
    posterior: Posterior | None = None
    relevances: FloatArray | None = None
    noise: VaryingNoise | None = None
    power: int = 0

    @classmethod
    def of_weights(cls, weights: list[FloatArray], activation: str, link: str = "identity") -> Self:
        """A model with these weights, which act on raw data, and without a posterior."""
        sizes = [len(weights[0]) - 1, *(W.shape[1] for W in weights)]
        return cls(Network(sizes, activation), weights, Units.raw(sizes[0], sizes[-1]), link)

    @classmethod
    def of_training(
        cls,
        network: Network,
        w: FloatArray,
        units: Units,
        dtype: DTypeLike,
        link: str = "identity",
        posterior: Posterior | None = None,
        relevances: FloatArray | None = None,
        noise: VaryingNoise | None = None,
        power: int = 0,
    ) -> Self:
        """A model with the weights of the flat vector ``w``, which acts on data in `units`.

        Raises
        ------
        ValueError
            If the weights that act on the raw data overflow `dtype`.
        """
        if isinstance(network, PartialNetwork):
            w, network = network.spread(w), network.whole
        raw = Units.raw(network.layer_sizes[0], network.layer_sizes[-1])
        with unwarned():
            weights = [W.astype(dtype) for W in change_units(network.layers(w), units, raw)]
        if not all(np.isfinite(W).all() for W in weights):
            raise overflow("weights that act on the raw data", dtype)
        return cls(network, weights, units, link, posterior, relevances, noise, power)

    @property
    def standardized_weights(self) -> list[FloatArray]:
        """The weights that act on inputs, and give outputs, in the units of training."""
        raw = Units.raw(self.network.layer_sizes[0], self.network.layer_sizes[-1])
        return change_units(self.weights, raw, self.units)

    def predict(self, X: MatrixLike) -> FloatArray:
        """The prediction for each row of X, of shape (n_samples, n_outputs)."""
        with unwarned():
            y = self._raw(X).gather(Predictions(self.network, self.weights, self.link))
            allowed = finite if self.link == "identity" else without_nan
            return allowed("predictions", y)

    def std(self, X: MatrixLike) -> FloatArray:
        """The standard deviation of a new observation, of shape (n_samples, n_outputs)."""
        assert self.posterior is not None
        with unwarned():
            if self.power:
                mean, relative = self._moments(X).swapaxes(0, 1)
                std: FloatArray = mean * np.sqrt(relative)
            else:
                kernel = PredictiveVariances(self.network, self.posterior, self.noise)
                variance = self._standardized(X).gather(kernel)
                std = self.units.outputs.scale * np.sqrt(variance)
            dtype = self._dtype(X)
            return without_nan("error bars", np.maximum(std.astype(dtype), least_std(dtype)))

    def _moments(self, X: MatrixLike) -> FloatArray:
        """The mean of counts and the like, and their variance divided by its square.

        Of shape (n_samples, 2, n_outputs).
        """
        assert self.posterior is not None
        kernel = DispersionVariances(self.network, self.posterior, self.power)
        return self._standardized(X).gather(kernel)

    def noise_std_at(self, X: MatrixLike) -> FloatArray:
        """The standard deviation of the noise at each row, of shape (n_samples, n_outputs)."""
        with unwarned():
            return without_nan("error bars", self._noise_std_at(X).astype(self._dtype(X)))

    def _noise_std_at(self, X: MatrixLike) -> FloatArray:
        if self.power:
            assert self.posterior is not None
            mean: FloatArray = self.predict(X) ** (self.power / 2)  # 1e200 has no square
            return mean / np.sqrt(self.posterior.beta)
        if self.noise is None:
            return np.broadcast_to(self.noise_std, (X.shape[0], self.network.layer_sizes[-1]))
        variance = self._standardized(X).gather(NoiseVariances(self.noise))
        std: FloatArray = self.units.outputs.scale * np.sqrt(variance)
        return std

    def quantiles(self, X: MatrixLike, q: FloatArray) -> FloatArray:
        """Of a new observation, of shape (n_samples, n_quantiles, n_outputs).

        Of counts and the like they are those of a distribution with the same mean and variance: a
        negative binomial, or a gamma distribution.
        """
        with unwarned():
            return without_nan("quantiles", self._quantiles(X, q))

    def _quantiles(self, X: MatrixLike, q: FloatArray) -> FloatArray:
        if not self.power:
            return self.mixture(X).quantiles(q)
        mean, relative = self._moments(X)[:, np.newaxis].transpose(2, 0, 1, 3)
        q = q[:, np.newaxis]
        continuous = gamma.ppf(q, 1 / relative, scale=mean * relative)
        if self.power != 1:
            return continuous
        more = mean * relative - 1  # than Poisson's variance, in units of it
        wide, few = np.maximum(more, LEAST_OVERDISPERSION), np.minimum(mean, LARGE_COUNT)
        counts = nbinom.ppf(q, few / wide, 1 / (1 + wide))
        counts = np.where(more < wide, poisson.ppf(q, few), counts)
        return np.where(mean > few, continuous, counts)

    def mixture(self, X: MatrixLike) -> Mixture:
        """The distribution of a new observation of each row and output."""
        assert self.posterior is not None
        parts = self.posterior.parts(self.network, True, None)
        kernel = PredictiveMixtures(self.network, self.posterior, self.noise)
        with unwarned():
            both = self._standardized(X).gather(kernel)
            outputs = self.units.outputs
            scale, center = outputs.scale[:, np.newaxis], outputs.mean[:, np.newaxis]
            shares = np.array([share for share, _ in parts])
            return Mixture(shares, scale * both[:, 0] + center, scale * np.sqrt(both[:, 1]))

    def input_gradient(self, X: MatrixLike) -> FloatArray:
        """∂ŷ/∂x for each row, output and input, of shape (n_samples, n_outputs, n_features).

        Raises
        ------
        ValueError
            If a derivative overflows.
        """
        with unwarned():
            gradient = self._raw(X).gather(InputGradients(self.network, self.weights, self.link))
        if not np.isfinite(gradient).all():
            raise overflow("derivatives by the inputs", gradient.dtype)
        return gradient

    def r2(self, rows: Rows) -> float:
        """R² of the predictions for rows in raw units."""
        errors = SquaredErrors(self.network, self.weights, self.link)
        return mean_r2(rows.sum(errors), rows.squared_deviations)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the prediction for one row: () for a single output."""
        n_outputs = self.network.layer_sizes[-1]
        return () if n_outputs == 1 else (n_outputs,)

    def _standardized(self, X: MatrixLike) -> Rows:
        """The rows in the units of training."""
        nothing = np.empty((X.shape[0], 0))
        return Rows(X, nothing, units=Units(self.units.inputs, Scaling.identity(0)))

    def _raw(self, X: MatrixLike) -> Rows:
        return Rows(X, np.empty((X.shape[0], 0)), dtype=self._dtype(X))

    def _dtype(self, X: MatrixLike) -> np.dtype[np.floating]:
        return np.result_type(X.dtype, self.weights[0].dtype)

    # Attributes of the posterior, in the units of y ---------------------------------------------

    @property
    def dispersion(self) -> float | FloatArray:
        """φ of each output. A float if there is a single output."""
        assert self.posterior is not None
        dispersion: FloatArray = 1 / self.posterior.beta
        return float(dispersion[0]) if len(dispersion) == 1 else dispersion

    @property
    def noise_std(self) -> float | FloatArray:
        """The standard deviation of each output's noise. A float if there is a single output."""
        assert self.posterior is not None
        variance = 1 / self.posterior.beta if self.noise is None else self.noise.level
        noise: FloatArray = self.units.outputs.scale * np.sqrt(variance)
        return float(noise[0]) if len(noise) == 1 else noise

    @property
    def log_marginal_likelihood(self) -> float:
        """The log evidence, the density of y in the units of y."""
        assert self.posterior is not None
        log_units = float(np.log(self.units.outputs.scale).sum())
        log_weight = 0.0 if self.noise is None else self.noise.log_weight
        return self.posterior.log_evidence + self.posterior.n * (log_weight - log_units)

    @property
    def precisions(self) -> dict[str, float | FloatArray]:
        """The precision of each weight group. The keys are names of the estimator's attributes."""
        assert self.posterior is not None
        return self.posterior.precisions(len(self.weights))


def least_std(dtype: DTypeLike) -> float:
    """The smallest standard deviation above 0, so that densities stay finite."""
    return float(np.finfo(dtype).tiny)


def mean_r2(squares: FloatArray, squared_deviations: FloatArray) -> float:
    """R², the mean over the outputs, from Σ s (ŷ - y)² and Σ s (y - ȳ)² of each.

    As in :func:`~sklearn.metrics.r2_score`, that of a constant target is 1 if it is predicted
    exactly, and else 0.
    """
    varies = squared_deviations > 0
    share = squares / np.where(varies, squared_deviations, 1)
    return float(np.where(varies, 1 - share, squares == 0).mean())


@dataclass(frozen=True, eq=False)
class SquaredErrors(Predictions):
    """Σ s (ŷ - y)² of each output."""

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """The terms of a block, of shape (n_outputs,)."""
        errors = super().__call__(block, work).T - block.targets
        weights = np.ones(errors.shape[1]) if block.weights is None else block.weights
        return errors**2 @ weights


@dataclass(frozen=True, eq=False)
class InputGradients(RowKernel):
    """The derivative of each prediction with respect to each input."""

    network: Network
    layers: list[FloatArray]
    link: str

    @property
    def shape(self) -> tuple[int, ...]:
        """One number for each output and input."""
        return self.network.layer_sizes[-1], self.network.layer_sizes[0]

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass, and the result."""
        n_inputs, *_, n_outputs = self.network.layer_sizes
        return self.network.floats_per_row + n_inputs * n_outputs

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """The derivatives for a block, of shape (n_rows, n_outputs, n_inputs)."""
        workspace = work.workspace(self.network, block)
        workspace.w = None
        prediction = self.network.forward(self.layers, block.inputs, workspace)
        D = self.network.input_gradient(self.layers, block.inputs, workspace)
        slope, link = np.empty_like(prediction), OUTPUT_ACTIVATIONS[self.link]
        link.value(prediction)
        link.slope(prediction, slope)
        D *= slope[:, np.newaxis]
        return D.transpose(2, 0, 1)


@dataclass(frozen=True, eq=False)
class SquaredInputGradients(NetworkKernel):
    """Σ s (∂z/∂x_j)² over rows and outputs, for each input j."""

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass, and the derivatives."""
        n_inputs, *_, n_outputs = self.network.layer_sizes
        return self.network.floats_per_row + n_inputs * n_outputs

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """The terms of a block, of shape (n_inputs,)."""
        self.predict(block, work)
        workspace = work.workspace(self.network, block)
        D = self.network.input_gradient(self.layers, block.inputs, workspace)
        s = np.ones(D.shape[-1]) if block.weights is None else block.weights
        return np.einsum("kjn,kjn,n->j", D, D, s)


def relevances(objective: Objective, w: FloatArray) -> FloatArray:
    """How far each input moves the predictions, summing to one.

    The relevance of an input is the root mean square, over rows and outputs, of the derivative
    of the prediction with respect to the input, both in units of their standard deviations. The
    precision of an input's coefs measures something else, how *nonlinear* the function is along
    the input: a sigmoid that approximates a straight line needs only small coefs.
    """
    return shares(squared_input_gradients(objective, w))


def squared_input_gradients(objective: Objective, w: FloatArray) -> FloatArray:
    """Σ s (∂z/∂x_j)² over rows and outputs, for each input j."""
    with unwarned():
        return objective.rows.sum(SquaredInputGradients(objective.network, w))


def shares(squares: FloatArray) -> FloatArray:
    """The roots of these sums, made to sum to one."""
    sizes = np.sqrt(squares)
    total, n_inputs = sizes.sum(), len(sizes)
    return sizes / total if total > 0 else np.full(n_inputs, 1 / n_inputs)
