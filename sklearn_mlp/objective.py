"""What training minimises, and its derivatives, as sums over the rows of the data.

    L(w) = 1/(2 Σs) Σᵢ sᵢ ‖ŷᵢ - yᵢ‖²  +  α/(2 Σs) ‖coefs‖²
    ∇L   = 1/Σs  ( Σᵢ sᵢ J_iᵀ (ŷᵢ - yᵢ)  +  α w∘[is a coef] )

with sᵢ the weight of row i and α the penalty. Biases are not penalised.

Second-order training asks for more than the value and the gradient: for each output k,

    E_k = Σᵢ sᵢ eᵢ²,    g_k = Σᵢ sᵢ J_iᵀ eᵢ,    H_k = Σᵢ sᵢ J_iᵀ J_i

with e = ŷ - y and J the Jacobian of that output. Any weighting of the outputs and any
quadratic penalty can be made of these.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import dsyrk

from ._typing import FloatArray
from .network import Network, Workspace
from .rows import Block, Rows

JACOBIAN_BLOCK_FLOATS = 1 << 19
"""Numbers in a block of the Jacobian: 4 MB, enough rows for an efficient product."""


class GaussNewton(NamedTuple):
    """The error and its Gauss-Newton derivatives at some weights, output by output.

    Attributes
    ----------
    E : array of shape (n_outputs,)
        The weighted sum of squared errors.
    g : array of shape (n_outputs, n_parameters)
        Half its gradient.
    H : array of shape (n_outputs, n_parameters, n_parameters)
        Half its Gauss-Newton Hessian: the lower triangle, with zeros above.
    """

    E: FloatArray
    g: FloatArray
    H: FloatArray


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

    def __init__(self, network: Network, rows: Rows, alpha: float) -> None:
        self.network = network
        self.rows = rows
        self.alpha = alpha
        self.penalty = (alpha * network.is_coef()).astype(rows.dtype)
        self._workspaces: dict[int, Workspace] = {}

    def coarse(self) -> "Objective":
        """The same over z-scores on a grid that their rounding does not reach, if there are any.

        See :meth:`Rows.coarse`. A network without hidden layers has one minimum, to which
        all descents come, and needs none.
        """
        rows = self.rows.coarse() if len(self.network.shapes) > 1 else self.rows
        return self if rows is self.rows else Objective(self.network, rows, self.alpha)

    def _workspace(self, n_rows: int) -> Workspace:
        if n_rows not in self._workspaces:
            sizes = self.network.layer_sizes
            self._workspaces[n_rows] = Workspace(sizes, n_rows, self.rows.dtype)
        return self._workspaces[n_rows]

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

        def terms(block: Block) -> tuple[float, FloatArray]:
            g = np.empty(self.network.n_parameters, self.rows.dtype)
            return self._data_terms(w, block, g), g

        error, g = self.rows.sum(terms, self.network.floats_per_row)
        return self._penalised(w, error, g, self.rows.total_weight), g

    def value_and_gradient_on(self, w: FloatArray, batch: Block, out: FloatArray) -> float:
        """The same over the rows of one minibatch alone; the gradient goes into ``out``."""
        error = self._data_terms(w, batch, out)
        return self._penalised(w, error, out, batch.total_weight)

    def errors(self, w: FloatArray) -> FloatArray:
        """The weighted sum of squared errors of each output, shape (n_outputs,)."""

        def terms(block: Block) -> tuple[FloatArray]:
            e = self._residuals(w, block)
            return (np.einsum("kn,kn->k", e, e),)

        return self.rows.sum(terms, self.network.floats_per_row)[0]

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

        def terms(block: Block) -> tuple[FloatArray, FloatArray, FloatArray]:
            e = self._residuals(w, block)
            workspace = self._workspace(block.inputs.shape[1])
            J = self.network.jacobian(self.network.layers(w), block.inputs, workspace)
            if block.weights is not None:
                J *= np.sqrt(block.weights)
            g = np.einsum("kpn,kn->kp", J, e) if len(J) > 1 else (J[0] @ e[0])[np.newaxis]
            # A symmetric rank-n update makes one triangle, at half the cost of the product.
            H = np.stack([dsyrk(1.0, J_k.T, trans=1, lower=1) for J_k in J])
            return np.einsum("kn,kn->k", e, e), g, H

        n_outputs = self.network.layer_sizes[-1]
        floats_per_row = self.network.floats_per_row + n_outputs * self.network.n_parameters
        return GaussNewton(*self.rows.sum(terms, floats_per_row, JACOBIAN_BLOCK_FLOATS))

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
            curvature = self._residuals(w + t * v, block).copy()
            curvature += self._residuals(w - t * v, block)
            curvature -= 2 * self._residuals(w, block)  # and leaves the workspace at w
            curvature *= noise[:, np.newaxis] / t**2
            if block.weights is not None:
                curvature *= np.sqrt(block.weights)
            g = np.empty(self.network.n_parameters)
            workspace = self._workspace(block.inputs.shape[1])
            layers, out = self.network.layers(w), self.network.layers(g)
            self.network.gradient(layers, block.inputs, workspace, curvature, out)
            return (g,)

        return self.rows.sum(terms, self.network.floats_per_row)[0]

    def last_hidden(self, w: FloatArray, block: Block) -> FloatArray:
        """What the output layer reads: a row of ones, then the units before it, one row each."""
        if len(self.network.shapes) == 1:
            return block.inputs
        workspace = self._workspace(block.inputs.shape[1])
        self.network.forward(self.network.layers(w), block.inputs, workspace)
        return workspace.outputs[-1]

    def jacobian(self, w: FloatArray, block: Block) -> tuple[FloatArray, FloatArray]:
        """The Jacobian (n_outputs, n_parameters, n_rows) and ŷ - y (n_outputs, n_rows)."""
        workspace = self._workspace(block.inputs.shape[1])
        layers = self.network.layers(w)
        e = self.network.forward(layers, block.inputs, workspace) - block.targets
        return self.network.jacobian(layers, block.inputs, workspace), e

    def input_gradient(self, w: FloatArray, block: Block) -> FloatArray:
        """The derivative of each prediction by each input (n_outputs, n_features, n_rows)."""
        workspace = self._workspace(block.inputs.shape[1])
        layers = self.network.layers(w)
        self.network.forward(layers, block.inputs, workspace)
        return self.network.input_gradient(layers, block.inputs, workspace)

    def _residuals(self, w: FloatArray, block: Block) -> FloatArray:
        """√s (ŷ - y) of each output and row, shape (n_outputs, n_rows)."""
        workspace = self._workspace(block.inputs.shape[1])
        e = self.network.forward(self.network.layers(w), block.inputs, workspace)
        e -= block.targets
        if block.weights is not None:
            e *= np.sqrt(block.weights)
        return e

    def _data_terms(self, w: FloatArray, block: Block, out: FloatArray) -> float:
        """½ Σ s ‖e‖², and its gradient in ``out``."""
        layers = self.network.layers(w)
        workspace = self._workspace(block.inputs.shape[1])
        e = self.network.forward(layers, block.inputs, workspace)
        e -= block.targets
        if block.weights is None:
            error = np.vdot(e, e)
            weighted = e
        else:
            weighted = e * block.weights
            error = np.vdot(weighted, e)
        self.network.gradient(layers, block.inputs, workspace, weighted, self.network.layers(out))
        return 0.5 * float(error)

    def _penalised(self, w: FloatArray, error: float, g: FloatArray, total: float) -> float:
        """Add the penalty to ``error`` and ``g`` and divide both by the total weight."""
        pull = self.penalty * w
        g += pull
        g /= total
        return (error + 0.5 * float(np.vdot(pull, w))) / total

    def mean_squared_error(self, w: FloatArray, value: float) -> float:
        """The mean of ‖ŷ - y‖² behind a ``value`` of L at ``w``: what remains less the penalty."""
        penalty = float(np.vdot(self.penalty * w, w)) / self.rows.total_weight
        return max(2 * value - penalty, 0.0)
