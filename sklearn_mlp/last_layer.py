"""The posterior of the output layer alone. The layers before it count as known.

With Φ the outputs of the last hidden layer and a one for the bias, the network is linear in the
parameters of its output layer, and Bayesian linear regression on Φ (Snoek et al., 2015) has an
exact posterior, at n H² multiplications for H units where all parameters take n P²,

    A_k = β_k Φᵀ S Φ + diag(α).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ._typing import FloatArray
from .network import Network
from .objective import GaussNewton, NetworkKernel, Noise, Objective
from .posterior import KINDS, Gaussian, LaplacePosterior, LeaveOneOutErrors
from .rows import Block, Sums, Work


def last_layer(network: Network) -> Network:
    """The output layer as a network of its own."""
    return Network(network.layer_sizes[-2:], "identity")


def last_layer_sums(objective: Objective, w: FloatArray) -> GaussNewton:
    """The errors and their derivatives by the parameters of the output layer."""
    n_outputs = objective.network.layer_sizes[-1]
    gram, g, E = objective.rows.sum(LastLayerSums(objective.network, w))
    H = []
    for k in range(n_outputs):
        H_k = np.zeros((g.size, g.size), order="F")
        H_k[k::n_outputs, k::n_outputs] = np.tril(gram)
        H.append(H_k)
    by_output = np.zeros((n_outputs, *g.shape))
    by_output[range(n_outputs), :, range(n_outputs)] = g.T
    return GaussNewton(E, by_output.reshape(n_outputs, -1), H)


@dataclass(frozen=True, eq=False)
class LastLayerSums(NetworkKernel):
    """Φᵀ S Φ and Φᵀ S e, with e = ŷ - y of each output, and Σ s e²."""

    def __call__(self, block: Block, work: Work) -> Sums:
        """The sums of a block."""
        e = self.predict(block, work) - block.targets
        Phi = self.network.last_hidden(block.inputs, work.workspace(self.network, block))
        s = 1.0 if block.weights is None else block.weights
        return Sums((Phi * s) @ Phi.T, (Phi * s) @ e.T, (e * e * s).sum(axis=1))


@dataclass(frozen=True)
class LastLayerPosterior:
    """The posterior of a network of which only the output layer is uncertain.

    Attributes
    ----------
    w : array of shape (n_parameters,)
        All weights.
    inner : LaplacePosterior
        That of the output layer's.
    """

    kind: ClassVar[str] = "last layer"

    w: FloatArray
    inner: LaplacePosterior

    @property
    def beta(self) -> FloatArray:
        """The precision of each output's noise."""
        return self.inner.beta

    @property
    def n(self) -> float:
        """Number of rows, or the sum of their weights."""
        return self.inner.n

    @property
    def log_evidence(self) -> float:
        """That of the linear regression on the last hidden layer."""
        return self.inner.log_evidence

    @property
    def n_effective_parameters(self) -> float:
        """How many parameters of the output layer the data determine."""
        return self.inner.n_effective_parameters

    @property
    def calibration(self) -> FloatArray:
        """What the variance of each output's predictions is multiplied by."""
        return self.inner.calibration

    def variance(self, J: FloatArray) -> FloatArray:
        """j A⁻¹ jᵀ for each column j of ``J`` (n_parameters, n_rows), shape (n_rows,)."""
        return self.inner.variance(J[-len(self.inner.w) :])

    def covariance_root(self) -> FloatArray:
        """M of A⁻¹ = M Mᵀ, of shape (n_parameters, rank), with zeros before the output layer."""
        M = self.inner.covariance_root()
        return np.vstack([np.zeros((len(self.w) - len(M), M.shape[1])), M])

    def predictive(
        self, network: Network, block: Block, work: Work, noise: Noise | None
    ) -> list[Gaussian]:
        """ŷ, and c (1/β + j A⁻¹ jᵀ), of each row and output."""
        workspace = work.workspace(network, block)
        mean = network.pass_over(self.w, block.inputs, workspace).T.copy()
        J = last_layer_jacobian(network, network.last_hidden(block.inputs, workspace))
        v = np.transpose([self.inner.variance(J_k) for J_k in J])
        own = 1 / self.beta if noise is None else noise.variance(block, work).T
        return [Gaussian(1.0, mean, self.calibration * (v + own))]

    def parts(
        self, network: Network, trained_on: bool, noise: Noise | None
    ) -> list[tuple[float, LeaveOneOutErrors]]:
        """The output layer, by leaving out each row."""
        return [(1.0, LastLayerErrors(network, self.w, self.inner, trained_on, noise))]

    def precisions(self, n_layers: int) -> dict[str, float | FloatArray]:
        """The precision of each weight group. Those of weights that count as known are infinite."""
        known = {f"{kind}_[{i}]": np.inf for i in range(n_layers - 1) for kind in KINDS}
        own = zip(KINDS, self.inner.precisions(1).values(), strict=True)
        return known | {f"{kind}_[{n_layers - 1}]": value for kind, value in own}


def last_layer_jacobian(network: Network, Phi: FloatArray) -> FloatArray:
    """The derivatives of the outputs by the output layer's weights, (n_outputs, n, n_rows)."""
    n_outputs = network.layer_sizes[-1]
    J = np.zeros((n_outputs, len(Phi) * n_outputs, Phi.shape[1]))
    for k, J_k in enumerate(J):
        J_k[k::n_outputs] = Phi
    return J


@dataclass(frozen=True, eq=False)
class LastLayerErrors(LeaveOneOutErrors):
    """Errors and their variances, where only the output layer is uncertain."""

    @property
    def floats_per_row(self) -> int:
        """A pass, the output layer's row of the Jacobian, and its product."""
        n_outputs = self.network.layer_sizes[-1]
        own = n_outputs * last_layer(self.network).n_parameters
        return self.network.floats_per_row + 2 * own

    def jacobian(self, block: Block, work: Work) -> tuple[FloatArray, FloatArray]:
        """The output layer's part of the Jacobian, and ŷ - y."""
        e = self.predict(block, work) - block.targets
        Phi = self.network.last_hidden(block.inputs, work.workspace(self.network, block))
        return last_layer_jacobian(self.network, Phi), e
