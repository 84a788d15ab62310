"""What training minimises, and its derivatives, as sums over the rows of the data.

    L(w) = 1/(2 Σs) Σᵢ sᵢ ‖ŷᵢ - yᵢ‖²  +  α/(2 Σs) ‖coefs‖²
    ∇L   = 1/Σs  ( Σᵢ sᵢ J_iᵀ (ŷᵢ - yᵢ)  +  α w∘[is a coef] )

with sᵢ the weight of row i and α the penalty. Biases are not penalised.

Second-order training asks for more than the value and the gradient: for each output k,

    E_k = Σᵢ sᵢ eᵢ²,    g_k = Σᵢ sᵢ J_iᵀ eᵢ,    H_k = Σᵢ sᵢ J_iᵀ J_i

with e = ŷ - y and J the Jacobian of that output. Any weighting of the outputs and any
quadratic penalty can be made of these. One symmetric product gives all three,

    [J e]ᵀ S [J e] = [[H_k, g_k], [g_kᵀ, E_k]].

:class:`GeneralObjective` is the same of another loss ℓ in the place of ½ e², with its derivative
ℓ' and its curvature c by the output in those of e and 1:

    L(w) = 1/Σs Σᵢ sᵢ ℓᵢ + α/(2 Σs) ‖coefs‖²
    E_k = 2 Σᵢ sᵢ ℓᵢ,    g_k = Σᵢ sᵢ ℓ'ᵢ J_iᵀ,    H_k = Σᵢ sᵢ cᵢ J_iᵀ J_i.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import dsyrk

from ._typing import FloatArray
from .losses import Loss
from .network import Network, Workspace
from .rows import KEPT_FLOATS, Block, Rows

JACOBIAN_BLOCK_FLOATS = 1 << 20
"""Numbers in a block of the Jacobian: 8 MB."""


class GaussNewton(NamedTuple):
    """The error and its Gauss-Newton derivatives at some weights, output by output.

    Attributes
    ----------
    E : array of shape (n_outputs,)
        The weighted sum of squared errors.
    g : array of shape (n_outputs, n_parameters)
        Half its gradient.
    H : list of arrays of shape (n_parameters, n_parameters)
        Half its Gauss-Newton Hessian: the lower triangle, with zeros above.
    """

    E: FloatArray
    g: FloatArray
    H: list[FloatArray]


class _Arrays(threading.local):
    """Arrays to work in for blocks of so many rows. Every thread has its own."""

    def __init__(self) -> None:
        self.workspaces: dict[tuple[int, int | None], Workspace] = {}
        self.jacobians: dict[int, FloatArray] = {}


class Objective:
    """The penalised mean squared error of a network over rows of data.

    Parameters
    ----------
    network : Network
    rows : Rows
    alpha : float
        Strength of the penalty on the squared coefficients.

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
    """

    is_least_squares = True

    def __init__(self, network: Network, rows: Rows, alpha: float) -> None:
        self.network = network
        self.rows = rows
        self.alpha = alpha
        self.penalty = (alpha * network.is_coef()).astype(rows.dtype)
        self._pull = np.empty_like(self.penalty)
        self._own: dict[tuple[int, int | None], Workspace] = {}
        self._arrays = _Arrays()
        self._few = rows.n_rows * network.floats_per_row <= KEPT_FLOATS

    def coarse(self) -> "Objective":
        """The same over z-scores on a grid that their rounding does not reach, if there are any.

        See :meth:`Rows.coarse`. A network without hidden layers has one minimum, to which
        all descents come, and needs none.
        """
        rows = self.rows.coarse() if len(self.network.shapes) > 1 else self.rows
        return self if rows is self.rows else Objective(self.network, rows, self.alpha)

    def stages(self) -> "list[Objective]":
        """What to minimise in turn by a method that needs a continuous gradient."""
        return [self]

    def _workspace(self, block: Block) -> Workspace:
        """Arrays for the rows of a block: its own where the data are few, shared by size else."""
        n_rows = block.inputs.shape[1]
        own = self._is_own(block)
        workspaces = self._own if own else self._arrays.workspaces
        key = (n_rows, block.start if own else None)
        if key not in workspaces:
            workspaces[key] = Workspace(self.network.layer_sizes, n_rows, self.rows.dtype)
        return workspaces[key]

    def _is_own(self, block: Block) -> bool:
        """Whether a block has a workspace of its own: all have, where the data are few."""
        return self._few and block.start is not None

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
        layers = self.network.layers(w)

        def terms(block: Block) -> tuple[float, FloatArray]:
            g = np.empty(self.network.n_parameters, self.rows.dtype)
            return self._data_terms(layers, block, self.network.layers(g)), g

        error, g = self.rows.sum(terms, self.network.floats_per_row)
        return self._penalised(w, error, g, self.rows.total_weight), g

    def on_minibatches(self, w: FloatArray, g: FloatArray) -> Callable[[Block], float]:
        """The same over the rows of one minibatch at a time.

        Parameters
        ----------
        w, g : array of shape (n_parameters,)
            Where the weights are, and where the gradient is to go, at every call.

        Returns
        -------
        callable
            From a minibatch to the value of L over its rows alone.
        """
        layers, out = self.network.layers(w), self.network.layers(g)  # views, made once

        def value_and_gradient(batch: Block) -> float:
            return self._penalised(w, self._data_terms(layers, batch, out), g, batch.total_weight)

        return value_and_gradient

    def errors(self, w: FloatArray) -> FloatArray:
        """The weighted sum of squared errors of each output, shape (n_outputs,)."""

        def terms(block: Block) -> tuple[FloatArray]:
            e = self._forward(w, block).error
            return (np.einsum("kn,kn->k", e, e),)

        return self.rows.sum(terms, *self._jacobian_blocks)[0]

    def squared_targets(self) -> FloatArray:
        """The weighted sum of the squares of each target, shape (n_outputs,)."""

        def squares(block: Block) -> tuple[FloatArray]:
            weights = 1 if block.weights is None else block.weights
            return ((block.targets**2 * weights).sum(axis=1),)

        return self.rows.sum(squares, self.rows.n_columns)[0]

    def gauss_newton(self, w: FloatArray) -> GaussNewton:
        """The errors and their Gauss-Newton derivatives. In float64.

        Parameters
        ----------
        w : array of shape (n_parameters,)

        Returns
        -------
        GaussNewton
        """
        layers, n_columns = self.network.layers(w), self.network.n_parameters + 1

        def add(block: Block, total: list[FloatArray] | None) -> list[FloatArray]:
            workspace = self._forward(w, block)
            J_e = self._jacobian_and_error(block)
            self.network.jacobian(layers, block.inputs, workspace, out=J_e[:, :-1])
            self._weigh(J_e, block, workspace)
            if total is None:
                total = [np.zeros((n_columns, n_columns), order="F") for _ in J_e]
            # A symmetric rank-n update makes one triangle, at half the cost of the product.
            return [
                dsyrk(1.0, J_e_k.T, trans=1, lower=1, beta=1.0, c=sums, overwrite_c=1)
                for J_e_k, sums in zip(J_e, total, strict=True)
            ]

        sums = self.rows.fold(add, *self._jacobian_blocks)
        return GaussNewton(
            E=np.array([S[-1, -1] for S in sums]),
            g=np.array([S[-1, :-1] for S in sums]),
            H=[S[:-1, :-1] for S in sums],
        )

    def _weigh(self, J_e: FloatArray, block: Block, workspace: Workspace) -> None:
        """√s [J e], of which the J is there."""
        if block.weights is not None:
            J_e[:, :-1] *= np.sqrt(block.weights)
        J_e[:, -1] = workspace.error

    def with_best_output(self, w: FloatArray, noise: FloatArray, prior: FloatArray) -> FloatArray:
        """``w`` with the output layer that is best for its hidden layers: linear least squares.

            min over C    ½ Σ_k β_k ‖Φ C_k - Y_k‖² + ½ Σ α C²

        with Φ what the output layer reads. By the normal equations, less the directions that
        their rounding hides.

        Parameters
        ----------
        w : array of shape (n_parameters,)
        noise : array of shape (n_outputs,)
            β.
        prior : array of shape (n_parameters,)
            α, of which the output layer's count.
        """

        def terms(block: Block) -> tuple[FloatArray, FloatArray]:
            Phi = self.last_hidden(w, block)
            weighted = Phi if block.weights is None else Phi * block.weights
            return weighted @ Phi.T, weighted @ block.targets.T

        gram, products = self.rows.sum(terms, *self._jacobian_blocks)
        best = w.copy()
        C, alpha = self.network.layers(best)[-1], self.network.layers(prior)[-1]
        for k, beta in enumerate(noise):
            values, vectors = eigh(beta * gram + np.diag(alpha[:, k]))
            values[values < 1e-14 * values[-1]] = np.inf
            C[:, k] = vectors @ ((vectors.T @ (beta * products[:, k])) / values)
        return best

    @property
    def _jacobian_blocks(self) -> tuple[int, int]:
        """The numbers that a row of the Jacobian takes, and a block of it."""
        network = self.network
        floats_per_row = network.floats_per_row + network.layer_sizes[-1] * network.n_parameters
        return floats_per_row, JACOBIAN_BLOCK_FLOATS

    def _jacobian_and_error(self, block: Block) -> FloatArray:
        """Room for [J e] of a block, shape (n_outputs, n_parameters + 1, n_rows)."""
        n_rows, jacobians = block.inputs.shape[1], self._arrays.jacobians
        if n_rows not in jacobians:
            n_outputs, n_parameters = self.network.layer_sizes[-1], self.network.n_parameters
            jacobians[n_rows] = np.empty((n_outputs, n_parameters + 1, n_rows))
        return jacobians[n_rows]

    def curvature_along(self, w: FloatArray, v: FloatArray, noise: FloatArray) -> FloatArray:
        """Σ_k β_k Σᵢ sᵢ J_iᵀ e″ of each row, where e″ = d²e(w + t v)/dt² by a difference.

        Parameters
        ----------
        w, v : array of shape (n_parameters,)
        noise : array of shape (n_outputs,)
            β.

        Returns
        -------
        array of shape (n_parameters,)
        """
        t = 0.1  # short for the next order of the difference, long beside its rounding

        def terms(block: Block) -> tuple[FloatArray]:
            curvature = self._forward(w + t * v, block).error.copy()
            curvature += self._forward(w - t * v, block).error
            workspace = self._forward(w, block)
            curvature -= 2 * workspace.error
            curvature *= noise[:, np.newaxis] / t**2
            if block.weights is not None:
                curvature *= np.sqrt(block.weights)
            g = np.empty(self.network.n_parameters)
            layers, out = self.network.layers(w), self.network.layers(g)
            self.network.gradient(layers, block.inputs, workspace, curvature, out)
            return (g,)

        return self.rows.sum(terms, self.network.floats_per_row)[0]

    def last_hidden(self, w: FloatArray, block: Block) -> FloatArray:
        """What the output layer reads: a row of ones, then the units before it, one row each."""
        return self._last_hidden(block, self._forward(w, block))

    def _last_hidden(self, block: Block, workspace: Workspace) -> FloatArray:
        return workspace.outputs[-1] if len(self.network.shapes) > 1 else block.inputs

    def jacobian(self, w: FloatArray, block: Block) -> tuple[FloatArray, FloatArray]:
        """The Jacobian (n_outputs, n_parameters, n_rows) and ŷ - y (n_outputs, n_rows)."""
        workspace = self._forward(w, block)
        e = workspace.prediction - block.targets
        return self.network.jacobian(self.network.layers(w), block.inputs, workspace), e

    def input_gradient(self, w: FloatArray, block: Block) -> FloatArray:
        """The derivative of each prediction by each input (n_outputs, n_features, n_rows)."""
        workspace = self._forward(w, block)
        return self.network.input_gradient(self.network.layers(w), block.inputs, workspace)

    def _forward(self, w: FloatArray, block: Block) -> Workspace:
        """The workspace of a block after a forward pass, with √s (ŷ - y) as its error.

        Where the block has a workspace of its own, which may hold that pass already, it is not
        made again: a step of Levenberg-Marquardt asks for the errors, then for the derivatives.
        """
        workspace, layers = self._workspace(block), self.network.layers(w)
        n_hidden = self.network.n_hidden_parameters
        if workspace.w is not None and np.array_equal(workspace.w, w):
            return workspace
        if workspace.w is not None and np.array_equal(workspace.w[:n_hidden], w[:n_hidden]):
            self.network.read_out(layers[-1], self._last_hidden(block, workspace), workspace)
        else:
            self.network.forward(layers, block.inputs, workspace)
        e = np.subtract(workspace.prediction, block.targets, out=workspace.error)
        if block.weights is not None:
            e *= np.sqrt(block.weights)
        workspace.w = w.copy() if self._is_own(block) else None
        return workspace

    def _data_terms(self, layers: list[FloatArray], block: Block, out: list[FloatArray]) -> float:
        """½ Σ s ‖e‖², and its gradient in ``out``."""
        workspace = self._workspace(block)
        workspace.w = None
        self.network.forward(layers, block.inputs, workspace)
        e = np.subtract(workspace.prediction, block.targets, out=workspace.error)
        if block.weights is None:
            error = np.vdot(e, e)
            weighted = e
        else:
            weighted = e * block.weights
            error = np.vdot(weighted, e)
        self.network.gradient(layers, block.inputs, workspace, weighted, out)
        return 0.5 * float(error)

    def _penalised(self, w: FloatArray, error: float, g: FloatArray, total: float) -> float:
        """Add the penalty to ``error`` and ``g`` and divide both by the total weight."""
        pull = np.multiply(self.penalty, w, out=self._pull)
        g += pull
        g /= total
        return (error + 0.5 * float(np.vdot(pull, w))) / total

    def mean_squared_error(self, w: FloatArray, value: float) -> float:
        """The mean of ‖ŷ - y‖² behind a ``value`` of L at ``w``: what remains less the penalty."""
        penalty = float(np.vdot(self.penalty * w, w)) / self.rows.total_weight
        return max(2 * value - penalty, 0.0)


class GeneralObjective(Objective):
    """The penalised mean of any loss of a network over rows of data.

    Parameters
    ----------
    network : Network
    rows : Rows
    alpha : float
        Strength of the penalty on the squared coefficients.
    loss : Loss

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.losses import Poisson
    >>> from sklearn_mlp.network import Network
    >>> from sklearn_mlp.objective import GeneralObjective
    >>> from sklearn_mlp.rows import Rows
    >>> rows = Rows(np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]]))
    >>> objective = GeneralObjective(Network([1, 1], "identity"), rows, 0.0, Poisson())
    >>> objective.value_and_gradient(np.zeros(2))[1]  # the means of ŷ - y and of (ŷ - y) x
    array([-1., -1.])
    """

    is_least_squares = False

    def __init__(self, network: Network, rows: Rows, alpha: float, loss: Loss) -> None:
        super().__init__(network, rows, alpha)
        self.loss = loss

    def coarse(self) -> "GeneralObjective":
        """As of the base; the same where the targets are raw, and may be small beside the grid."""
        if self.loss.out_activation != "identity" or len(self.network.shapes) == 1:
            return self
        rows = self.rows.coarse()
        return self if rows is self.rows else self._like(rows, self.loss)

    def stages(self) -> list[Objective]:
        """Itself, or with a loss that has no continuous gradient itself less and less rounded."""
        return [self._like(self.rows, loss) for loss in self.loss.stages()]

    def _like(self, rows: Rows, loss: Loss) -> "GeneralObjective":
        return GeneralObjective(self.network, rows, self.alpha, loss)

    def errors(self, w: FloatArray) -> FloatArray:
        """Twice the weighted sum of the loss of each output, shape (n_outputs,)."""

        def terms(block: Block) -> tuple[FloatArray]:
            loss = 2 * self.loss.value(self._forward(w, block).prediction, block.targets)
            return (loss.sum(axis=1) if block.weights is None else loss @ block.weights,)

        return self.rows.sum(terms, *self._jacobian_blocks)[0]

    def gauss_newton(self, w: FloatArray) -> GaussNewton:
        """The loss and its generalised Gauss-Newton derivatives. In float64.

        Parameters
        ----------
        w : array of shape (n_parameters,)

        Returns
        -------
        GaussNewton
        """
        return super().gauss_newton(w)._replace(E=self.errors(w))

    def _weigh(self, J_e: FloatArray, block: Block, workspace: Workspace) -> None:
        """[√(s c) J, √s ℓ'/√c], whose products are H and g."""
        z, y = workspace.prediction, block.targets
        root = np.sqrt(self.loss.curvature(z, y))
        J_e[:, -1] = self.loss.slope(z, y) / root
        J_e[:, :-1] *= root[:, np.newaxis]
        if block.weights is not None:
            J_e *= np.sqrt(block.weights)

    def _data_terms(self, layers: list[FloatArray], block: Block, out: list[FloatArray]) -> float:
        """Σ s ℓ, and its gradient in ``out``."""
        workspace = self._workspace(block)
        workspace.w = None
        z, y = self.network.forward(layers, block.inputs, workspace), block.targets
        loss, seed = self.loss.value(z, y), self.loss.slope(z, y)
        if block.weights is not None:
            loss *= block.weights
            seed *= block.weights
        self.network.gradient(layers, block.inputs, workspace, seed, out)
        return float(loss.sum())
