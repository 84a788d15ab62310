"""What training minimises, and its derivatives, as sums over the rows of the data.

Let ℓ(z, y) be the loss of a row (see :mod:`~sklearn_mlp.losses`), sᵢ its weight, and α the strength
of the penalty:

    L(w) = 1/Σs ( Σᵢ sᵢ ℓᵢ  +  α/2 ‖coefs‖² )
    ∇L   = 1/Σs ( Σᵢ sᵢ J_iᵀ ℓ'ᵢ  +  α w∘[is a coef] ).

Biases are not penalised. The squared error has ℓ = ½ e² and ℓ' = e = ŷ - y.

Second-order training needs more than the value and the gradient. For each output k, with J the
Jacobian of that output and c the curvature of the loss (1 for the squared error), it needs

    E_k = 2 Σᵢ sᵢ ℓᵢ,    g_k = Σᵢ sᵢ J_iᵀ ℓ'ᵢ,    H_k = Σᵢ sᵢ cᵢ J_iᵀ J_i.

From these follows the objective for any weighting of the outputs and any quadratic penalty. One
symmetric product gives them all: with r = ℓ'/√c,

    [√c J, r]ᵀ S [√c J, r] = [[H_k, g_k], [g_kᵀ, E_k]].

The corner is E_k for the squared error only.

The terms of each sum are computed by a kernel: a small object that holds weights and shapes, but
no rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from scipy.linalg import eigh, lstsq, qr
from scipy.linalg.blas import dsyrk

from ._typing import FloatArray
from .activations import OUTPUT_ACTIVATIONS
from .curvature import (
    LOST,
    Curvature,
    DenseCurvature,
    RowCurvature,
    diagonal,
    least_squares_by_rows,
)
from .losses import Loss, SquaredError
from .network import Network
from .rows import Accumulator, Block, Kernel, RowKernel, Rows, Sums, Work

ILL_CONDITIONED = 1e-8
"""The smallest eigenvalue of normal equations, relative to the largest, with which they are solved
as they are. Half the digits are right then."""


class GaussNewton(NamedTuple):
    """The error and its Gauss-Newton derivatives at some weights, for each output.

    Attributes
    ----------
    E : array of shape (n_outputs,)
        The weighted sum of squared errors. For another loss, twice its weighted sum.
    g : array of shape (n_outputs, n_parameters)
        Half its gradient.
    H : list of arrays of shape (n_parameters, n_parameters), or None
        Half its Gauss-Newton Hessian: the lower triangle, with zeros above. None if there are
        fewer rows than parameters.
    J : array of shape (n_outputs, n_parameters, n_rows), or None
        In that case √(s c) J, from which it follows.
    """

    E: FloatArray
    g: FloatArray
    H: list[FloatArray] | None
    J: FloatArray | None = None


class Point(NamedTuple):
    """Weights, with the error and its derivatives there."""

    w: FloatArray
    sums: GaussNewton


class Precisions(NamedTuple):
    """The precisions of the noise and of the prior.

    Attributes
    ----------
    beta : array of shape (n_outputs,)
        β: the precision (1 / variance) of the noise of each output.
    prior : array of shape (n_parameters,)
        α: the precision of the prior of each parameter, whose mean is 0.
    """

    beta: FloatArray
    prior: FloatArray

    def cost(self, E: FloatArray, w: FloatArray) -> float:
        """F = ½ Σ_k β_k E_k + ½ Σ_j α_j w_j²."""
        return 0.5 * float(self.beta @ E + self.prior @ (w * w))

    def gradient(self, sums: GaussNewton, w: FloatArray) -> FloatArray:
        """g = Σ_k β_k g_k + α∘w."""
        return self.beta @ sums.g + self.prior * w

    def curvature(self, sums: GaussNewton) -> Curvature:
        """A = Σ_k β_k H_k + diag(α)."""
        if sums.J is not None:
            G = [np.sqrt(beta) * J_k for beta, J_k in zip(self.beta, sums.J, strict=True)]
            return RowCurvature(G[0] if len(G) == 1 else np.hstack(G), self.prior, len(G))
        assert sums.H is not None
        A = np.asfortranarray(self.beta[0] * sums.H[0])
        for beta, H_k in zip(self.beta[1:], sums.H[1:], strict=True):
            A += beta * H_k
        diagonal(A)[...] += self.prior
        return DenseCurvature(A, self.prior, self.beta, sums.H)


class Noise(Protocol):
    """Noise whose variance is a function of the inputs, in the units of training."""

    @property
    def log_weight(self) -> float:
        """What weighting the rows adds to the log evidence of the mean, per row."""
        ...

    def variance(self, block: Block, work: Work) -> FloatArray:
        """The variance of each output and row, of shape (n_outputs, n_rows)."""
        ...

    def weights(self, variance: FloatArray) -> FloatArray:
        """What the weights of the rows were multiplied by for it, of shape (n_rows,)."""
        ...


# Kernels --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NetworkKernel(Kernel[Any]):
    """A kernel that passes a block through a network with the weights ``w``."""

    network: Network
    w: FloatArray

    @property
    def layers(self) -> list[FloatArray]:
        """The matrix of each layer."""
        return self.network.layers(self.w)

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass."""
        return self.network.floats_per_row

    @property
    def jacobian_floats_per_row(self) -> int:
        """A forward and a backward pass, and a row of the Jacobian."""
        network = self.network
        return network.floats_per_row + network.layer_sizes[-1] * network.n_parameters

    def predict(self, block: Block, work: Work) -> FloatArray:
        """The output z of the network, of shape (n_outputs, n_rows)."""
        return self.network.pass_over(self.w, block.inputs, work.workspace(self.network, block))

    def last_hidden(self, block: Block, work: Work) -> FloatArray:
        """The input of the output layer: a row of ones, then one row for each unit before it."""
        self.predict(block, work)
        return self.network.last_hidden(block.inputs, work.workspace(self.network, block))

    def jacobian(self, block: Block, work: Work) -> tuple[FloatArray, FloatArray]:
        """The Jacobian (n_outputs, n_parameters, n_rows) and ŷ - y (n_outputs, n_rows)."""
        e = self.predict(block, work) - block.targets
        workspace = work.workspace(self.network, block)
        return self.network.jacobian(self.layers, block.inputs, workspace), e


@dataclass(frozen=True, eq=False)
class LossAndGradient(NetworkKernel):
    """Σ s ℓ and its gradient."""

    loss: Loss
    dtype: np.dtype[Any]

    def __call__(self, block: Block, work: Work) -> Sums:
        """The terms of a block."""
        g = np.empty(self.network.n_parameters, self.dtype)
        return Sums(self.into(self.network.layers(g), self.layers, block, work), g)

    def into(
        self, out: list[FloatArray], layers: list[FloatArray], block: Block, work: Work
    ) -> float:
        """Σ s ℓ. Writes its gradient to the matrices of ``out``."""
        workspace = work.workspace(self.network, block)
        workspace.w = None
        z = self.network.forward(layers, block.inputs, workspace)
        seed = workspace.error
        total = self.loss.sum_and_seed(z, block.targets, block.weights, seed)
        self.network.gradient(layers, block.inputs, workspace, seed, out)
        return total


@dataclass(frozen=True, eq=False)
class ErrorSums(NetworkKernel):
    """E_k = 2 Σ s ℓ for each output, over the same blocks as the Jacobian that follows."""

    loss: Loss
    size: ClassVar[str] = "jacobian"

    @property
    def floats_per_row(self) -> int:
        """As the Jacobian's."""
        return self.jacobian_floats_per_row

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """The terms of a block, of shape (n_outputs,)."""
        return self.loss.error_sums(self.predict(block, work), block.targets, block.weights)


@dataclass(frozen=True, eq=False)
class LossAndSquares(NetworkKernel):
    """Σ s ℓ, and Σ s (ŷ - y)² of each output."""

    loss: Loss

    def __call__(self, block: Block, work: Work) -> Sums:
        """The terms of a block."""
        z = self.predict(block, work)
        losses = 0.5 * self.loss.error_sums(z, block.targets, block.weights)
        prediction = z.copy()
        OUTPUT_ACTIVATIONS[self.loss.out_activation].value(prediction)
        weights = np.ones(z.shape[1]) if block.weights is None else block.weights
        return Sums(float(losses.sum()), (prediction - block.targets) ** 2 @ weights)


@dataclass(frozen=True, eq=False)
class LossKernel(NetworkKernel):
    """A kernel that needs the Jacobian and the residuals of a loss."""

    loss: Loss
    size: ClassVar[str] = "jacobian"

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass, and a row of the Jacobian."""
        return self.jacobian_floats_per_row

    def weighted_jacobian(self, z: FloatArray, block: Block, work: Work, out: FloatArray) -> None:
        """√s [√c J, r], of shape (n_outputs, n_parameters + 1, n_rows)."""
        workspace = work.workspace(self.network, block)
        self.network.jacobian(self.layers, block.inputs, workspace, out=out[:, :-1])
        out[:, -1], root = self.loss.residual(z, block.targets)
        if root is not None:
            out[:, :-1] *= root[:, np.newaxis]
        if block.weights is not None:
            out *= np.sqrt(block.weights)


@dataclass(frozen=True, eq=False)
class GaussNewtonSums(LossKernel, Accumulator[Sums]):
    """E_k and the lower triangle of [√c J, r]ᵀ S [√c J, r], for each output."""

    def zero(self) -> Sums:
        """Zeros for E and for the products."""
        n_outputs, n_columns = self.network.layer_sizes[-1], self.network.n_parameters + 1
        products = [np.zeros((n_columns, n_columns), order="F") for _ in range(n_outputs)]
        return Sums(np.zeros(n_outputs), *products)

    def add(self, total: Sums, block: Block, work: Work) -> None:
        """Add the terms of a block."""
        E, *products = total
        z = self.predict(block, work)
        J_r = work.array(len(z), self.network.n_parameters + 1, z.shape[1])
        self.weighted_jacobian(z, block, work, out=J_r)
        for J_r_k, product in zip(J_r, products, strict=True):
            # A symmetric rank-n update computes one triangle, at half the cost of the product.
            dsyrk(1.0, J_r_k.T, trans=1, lower=1, beta=1.0, c=product, overwrite_c=1)
        if self.loss.is_quadratic:
            E[...] = [product[-1, -1] for product in products]
        else:
            E += self.loss.error_sums(z, block.targets, block.weights)


@dataclass(frozen=True, eq=False)
class WeightedJacobian(LossKernel):
    """√s [√c J, r] of shape (n_outputs, n_parameters + 1, n_rows), and the terms of E."""

    def __call__(self, block: Block, work: Work) -> tuple[FloatArray, FloatArray]:
        """The columns of a block, and its terms of E."""
        z = self.predict(block, work)
        J_r = np.empty((len(z), self.network.n_parameters + 1, z.shape[1]))
        self.weighted_jacobian(z, block, work, out=J_r)
        return J_r, self.loss.error_sums(z, block.targets, block.weights)


@dataclass(frozen=True, eq=False)
class DerivativeSums(LossKernel):
    """E_k, g_k and the diagonal of H_k, for each output. They cost far less than H_k."""

    def __call__(self, block: Block, work: Work) -> Sums:
        """The terms of a block."""
        z = self.predict(block, work)
        J_r = work.array(len(z), self.network.n_parameters + 1, z.shape[1])
        self.weighted_jacobian(z, block, work, out=J_r)
        J, r = J_r[:, :-1], J_r[:, -1]
        E = self.loss.error_sums(z, block.targets, block.weights)
        g = np.matmul(J, r[:, :, np.newaxis])[:, :, 0]
        return Sums(E, g, np.einsum("kpn,kpn->kp", J, J))


@dataclass(frozen=True, eq=False)
class OutputLayerProducts(NetworkKernel):
    """Φᵀ S Φ and Φᵀ S Y, with Φ the input of the output layer."""

    size: ClassVar[str] = "jacobian"

    @property
    def floats_per_row(self) -> int:
        """As the Jacobian's."""
        return self.jacobian_floats_per_row

    def __call__(self, block: Block, work: Work) -> Sums:
        """The products of a block."""
        Phi = self.last_hidden(block, work)
        weighted = Phi if block.weights is None else Phi * block.weights
        return Sums(weighted @ Phi.T, weighted @ block.targets.T)


class Triangle:
    """The R of a QR factorisation of rows. The R of two parts add up to the R of both."""

    def __init__(self, rows: FloatArray) -> None:
        self.R = qr(rows, mode="r", check_finite=False, overwrite_a=True)[0][: rows.shape[1]]

    def __add__(self, other: Self) -> Self:
        return type(self)(np.vstack([self.R, other.R]))


@dataclass(frozen=True, eq=False)
class FactorOfOutputLayer(NetworkKernel):
    """The triangle of [Φ Y], with Φ the input of the output layer."""

    @property
    def floats_per_row(self) -> int:
        """A forward and a backward pass, and the rows to factorise."""
        return 2 * self.network.floats_per_row

    def __call__(self, block: Block, work: Work) -> Triangle:
        """The triangle of a block."""
        Phi = self.last_hidden(block, work)
        return Triangle(weighted_rows(np.vstack([Phi, block.targets]), block))


def weighted_rows(columns: FloatArray, block: Block) -> FloatArray:
    """One row for each row of the data, times the root of its weight."""
    if block.weights is not None:
        columns = columns * np.sqrt(block.weights)
    return columns.T


@dataclass(frozen=True, eq=False)
class OutputLayerRows(NetworkKernel):
    """√s Φ and √s Y, of shapes (n_inputs of the output layer, n_rows) and (n_outputs, n_rows)."""

    size: ClassVar[str] = "jacobian"

    @property
    def floats_per_row(self) -> int:
        """As the Jacobian's."""
        return self.jacobian_floats_per_row

    def __call__(self, block: Block, work: Work) -> tuple[FloatArray, FloatArray]:
        """The columns of a block, as copies in float64."""
        root = 1.0 if block.weights is None else np.sqrt(block.weights)
        Phi = self.last_hidden(block, work) * root
        return Phi.astype(np.float64, copy=False), (block.targets * root).astype(np.float64)


@dataclass(frozen=True, eq=False)
class CurvatureAlong(NetworkKernel):
    """Σ_k β_k Σᵢ sᵢ J_iᵀ e″ᵢ, where e″ = d²e(w + t v)/dt² by a finite difference."""

    v: FloatArray
    beta: FloatArray

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """The terms of a block, of shape (n_parameters,)."""
        t = 0.1  # small enough for the truncation error, large enough for the rounding error
        network, workspace = self.network, work.workspace(self.network, block)
        root = 1.0 if block.weights is None else np.sqrt(block.weights)

        def weighted_error(w: FloatArray) -> FloatArray:
            return (network.pass_over(w, block.inputs, workspace) - block.targets) * root

        e = weighted_error(self.w + t * self.v)
        e += weighted_error(self.w - t * self.v)
        e -= 2 * weighted_error(self.w)
        e *= self.beta[:, np.newaxis] / t**2
        e *= root
        g = np.empty(network.n_parameters)
        network.gradient(self.layers, block.inputs, workspace, e, network.layers(g))
        return g


@dataclass(frozen=True)
class SquaredTargets(Kernel[FloatArray]):
    """Σ s y² for each target, of shape (n_outputs,)."""

    n_columns: int

    @property
    def floats_per_row(self) -> int:
        """The numbers that are read."""
        return self.n_columns

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """The terms of a block."""
        weights = 1 if block.weights is None else block.weights
        sums: FloatArray = (block.targets**2 * weights).sum(axis=1)
        return sums


@dataclass(frozen=True, eq=False)
class Predictions(RowKernel):
    """The prediction for each row, by the layers of a network and its output activation."""

    network: Network
    layers: list[FloatArray]
    link: str = "identity"

    @property
    def shape(self) -> tuple[int, ...]:
        """One number for each output."""
        return (self.network.layer_sizes[-1],)

    @property
    def floats_per_row(self) -> int:
        """A forward pass."""
        return sum(self.network.layer_sizes)

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """The predictions for a block, of shape (n_rows, n_outputs)."""
        workspace = work.workspace(self.network, block)
        workspace.w = None
        prediction = self.network.forward(self.layers, block.inputs, workspace)
        OUTPUT_ACTIVATIONS[self.link].value(prediction)
        return prediction.T


# The objective --------------------------------------------------------------------------------


class Objective:
    """The penalised mean loss of a network over rows of data.

    Parameters
    ----------
    network : Network
    rows : Rows
    alpha : float
        Strength of the penalty on the squared coefficients.
    loss : Loss, default=SquaredError()
    noise : Noise, optional
        What the rows are weighted by, beside their own weights.

    Examples
    --------
    A network without hidden layers is linear regression:

    >>> import numpy as np
    >>> from sklearn_mlp.network import Network
    >>> from sklearn_mlp.objective import Objective
    >>> from sklearn_mlp.rows import Rows
    >>> rows = Rows(np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]]))
    >>> objective = Objective(Network([1, 1], "identity"), rows, alpha=0.0)
    >>> value, gradient = objective.value_and_gradient(np.zeros(2))
    >>> value, gradient  # (1 + 9) / 4; the means of e and of e x
    (2.5, array([-2. , -1.5]))

    With Poisson's loss it predicts counts:

    >>> from sklearn_mlp.losses import Poisson
    >>> objective = Objective(Network([1, 1], "identity"), rows, 0.0, Poisson())
    >>> objective.value_and_gradient(np.zeros(2))[1]  # the means of ŷ - y and of (ŷ - y) x
    array([-1., -1.])
    """

    def __init__(
        self,
        network: Network,
        rows: Rows,
        alpha: float,
        loss: Loss | None = None,
        noise: Noise | None = None,
    ) -> None:
        self.network = network
        self.rows = rows
        self.alpha = alpha
        self.loss = SquaredError() if loss is None else loss
        self.noise = noise
        self.penalty = (alpha * network.is_coef()).astype(rows.dtype)

    def over(self, rows: Rows) -> "Objective":
        """The same objective over other rows."""
        return Objective(self.network, rows, self.alpha, self.loss, self.noise)

    def of(self, network: Network) -> "Objective":
        """The same objective of another network."""
        return Objective(network, self.rows, self.alpha, self.loss, self.noise)

    def coarse(self) -> "Objective":
        """The same objective over z-scores that are rounded to a grid (see :meth:`Rows.coarse`).

        It is this objective itself in two cases. A network without hidden layers has one minimum,
        which every descent reaches. And raw targets may be small compared with the grid.
        """
        if len(self.network.shapes) == 1 or self.loss.out_activation != "identity":
            return self
        rows = self.rows.coarse()
        return self if rows is self.rows else self.over(rows)

    def stages(self) -> "list[Objective]":
        """The objectives that a method with a continuous gradient minimises in turn.

        If the loss has a kink, these have a loss that is rounded less and less. Otherwise it is
        only this objective.
        """
        losses = self.loss.stages()
        if len(losses) == 1:
            return [self]
        return [Objective(self.network, self.rows, self.alpha, loss, self.noise) for loss in losses]

    # The value and the gradient -------------------------------------------------------------

    def value_and_gradient(self, w: FloatArray) -> tuple[float, FloatArray]:
        """L(w) and ∇L(w) over all rows.

        Parameters
        ----------
        w : array of shape (n_parameters,)

        Returns
        -------
        value : float
        gradient : array of shape (n_parameters,)
        """
        kernel = LossAndGradient(self.network, w, self.loss, self.rows.dtype)
        error, g = self.rows.sum(kernel)
        pull = self.penalty * w
        return _with_penalty(error, g, pull, w, self.rows.total_weight), g

    def value(self, w: FloatArray) -> float:
        """L(w) over all rows. It costs a forward pass."""
        penalty = float(np.vdot(self.penalty * w, w))
        return (0.5 * float(self.errors(w).sum()) + 0.5 * penalty) / self.rows.total_weight

    def on_minibatches(self, w: FloatArray, g: FloatArray) -> Callable[[Block], float]:
        """L(w) and ∇L(w) over the rows of one minibatch at a time.

        Parameters
        ----------
        w, g : array of shape (n_parameters,)
            Every call of the result reads the weights from `w` and writes the gradient to `g`.

        Returns
        -------
        callable
            Maps a minibatch to the value of L over its rows alone.
        """
        kernel = LossAndGradient(self.network, w, self.loss, self.rows.dtype)
        layers, out = self.network.layers(w), self.network.layers(g)  # views
        work, penalty, pull = self.rows.work, self.penalty, np.empty_like(self.penalty)

        def value_and_gradient(batch: Block) -> float:
            error = kernel.into(out, layers, batch, work)
            np.multiply(penalty, w, out=pull)
            return _with_penalty(error, g, pull, w, batch.total_weight)

        return value_and_gradient

    def mean_squared_error(self, w: FloatArray, value: float) -> float:
        """The mean of ‖ŷ - y‖², from the ``value`` of L at ``w``: twice L less the penalty."""
        if self.alpha == 0:
            return 2 * value
        penalty = float(np.vdot(self.penalty * w, w)) / self.rows.total_weight
        return max(2 * value - penalty, 0.0)

    # Sums for second-order training ---------------------------------------------------------

    @property
    def total_weight(self) -> float:
        """The sum of the weights of the rows, or their number."""
        return self.rows.total_weight

    def errors(self, w: FloatArray) -> FloatArray:
        """E for each output, of shape (n_outputs,)."""
        return self.rows.sum(ErrorSums(self.network, w, self.loss))

    def errors_of_a_constant(self) -> FloatArray:
        """E of the best constant, for each output. Under the squared error the constant is 0."""
        if self.loss.out_activation == "identity":
            return self.squared_targets()
        w = np.zeros(self.network.n_parameters)
        self.network.layers(w)[-1][0] = self.loss.constant(self.rows.moments()[1].mean)
        return self.errors(w)

    def squared_targets(self) -> FloatArray:
        """The weighted sum of squares of each target, of shape (n_outputs,)."""
        return self.rows.sum(SquaredTargets(self.rows.n_columns))

    def derivatives(self, w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """E, g and the diagonal of H for each output.

        Parameters
        ----------
        w : array of shape (n_parameters,)

        Returns
        -------
        E : array of shape (n_outputs,)
        g, diagonal : array of shape (n_outputs, n_parameters)
        """
        E, g, squares = self.rows.sum(DerivativeSums(self.network, w, self.loss))
        return E, g, squares

    @property
    def in_rows(self) -> bool:
        """Whether there are fewer rows than parameters, so that systems are solved in the rows."""
        n_outputs = self.network.layer_sizes[-1]
        return self.rows.n_rows * n_outputs < self.network.n_parameters

    def gauss_newton(self, w: FloatArray) -> GaussNewton:
        """The errors and their Gauss-Newton derivatives, in float64.

        Parameters
        ----------
        w : array of shape (n_parameters,)

        Returns
        -------
        GaussNewton
        """
        if self.in_rows:
            return self._by_rows(w)
        E, *products = self.rows.sum(GaussNewtonSums(self.network, w, self.loss))
        g = np.array([product[-1, :-1] for product in products])
        return GaussNewton(E, g, [product[:-1, :-1] for product in products])

    def _by_rows(self, w: FloatArray) -> GaussNewton:
        parts = self.rows.map(WeightedJacobian(self.network, w, self.loss))
        blocks, errors = zip(*parts, strict=True)
        J_r = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=2)
        J, r = J_r[:, :-1], J_r[:, -1]
        return GaussNewton(sum(errors), np.einsum("kpn,kn->kp", J, r), None, J)

    def with_best_output(self, w: FloatArray, precisions: Precisions) -> FloatArray:
        """``w`` with the output layer that is best for its hidden layers.

        For the squared error this is a linear least-squares problem,

            min over C    ½ Σ_k β_k ‖Φ C_k - Y_k‖² + ½ Σ α C²,

        with Φ the input of the output layer. It is solved by the normal equations, without the
        directions that are lost in their rounding. If there are fewer rows than inputs of the
        output layer, their dual in the rows is solved. Where the equations are ill-conditioned and
        no other step follows, because there is no hidden layer, an orthogonal factorisation takes
        their place. An output whose equations overflow stays as it is. For the squared error only.

        Parameters
        ----------
        w : array of shape (n_parameters,)
        precisions : Precisions

        Returns
        -------
        array of shape (n_parameters,)
        """
        best = w.copy()
        C, alpha = self.network.layers(best)[-1], self.network.layers(precisions.prior)[-1]
        if self.rows.n_rows < len(C):
            parts = self.rows.map(OutputLayerRows(self.network, w))
            Phi, Y = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
            for k, root in enumerate(np.sqrt(precisions.beta)):
                G, y = root * Phi, root * Y[k]
                if np.isfinite(np.vdot(G, G)) and np.isfinite(y).all():
                    C[:, k] = least_squares_by_rows(G, y, alpha[:, k])
            return best
        linear = len(self.network.shapes) == 1
        gram, products = self.rows.sum(OutputLayerProducts(self.network, w))
        for k, beta in enumerate(precisions.beta):
            A = beta * gram + np.diag(alpha[:, k])
            if not np.isfinite(A).all():
                continue
            values, vectors = eigh(A)
            if linear and values[0] < ILL_CONDITIONED * values[-1]:
                C[:, k] = self._output_by_factor(w, k, alpha[:, k] / beta)
                continue
            values[values < LOST * values[-1]] = np.inf
            C[:, k] = vectors @ ((vectors.T @ (beta * products[:, k])) / values)
        return best

    def _output_by_factor(self, w: FloatArray, k: int, penalty: FloatArray) -> FloatArray:
        """The weights C of output k with the least ‖Φ C - Y_k‖² + Σ penalty C².

        They are from [Φ Y] = Q R, without ΦᵀΦ, which has the square of the condition number.
        """
        R = self.rows.sum(FactorOfOutputLayer(self.network, w)).R
        q = len(penalty)
        rows = np.vstack([R[:q, :q], np.diag(np.sqrt(penalty))])
        y = np.append(R[:q, q + k], np.zeros(q))
        rounding = np.finfo(np.float64).eps * max(q, self.rows.n_rows)
        C: FloatArray = lstsq(rows, y, cond=rounding, check_finite=False)[0]
        return C

    def curvature_along(self, w: FloatArray, v: FloatArray, beta: FloatArray) -> FloatArray:
        """Σ_k β_k Σᵢ sᵢ J_iᵀ e″ᵢ, where e″ = d²e(w + t v)/dt².

        For the squared error only.

        Parameters
        ----------
        w, v : array of shape (n_parameters,)
        beta : array of shape (n_outputs,)

        Returns
        -------
        array of shape (n_parameters,)
        """
        return self.rows.sum(CurvatureAlong(self.network, w, v, beta))


def _with_penalty(
    error: float, g: FloatArray, pull: FloatArray, w: FloatArray, total_weight: float
) -> float:
    """L, from Σ s ℓ and the gradient of the penalty. Turns `g`, the gradient of Σ s ℓ, into ∇L."""
    g += pull
    g /= total_weight
    return (error + 0.5 * float(np.vdot(pull, w))) / total_weight
