"""What training minimises, and its derivatives, as sums over the rows of the data.

    L(w) = 1/(2 Σs) Σᵢ sᵢ ‖ŷᵢ - yᵢ‖²  +  α/(2 Σs) ‖coefs‖²
    ∇L   = 1/Σs  ( Σᵢ sᵢ J_iᵀ (ŷᵢ - yᵢ)  +  α w∘[is a coef] )

with sᵢ the weight of row i and α the penalty. Biases are not penalised.
"""

import numpy as np

from ._typing import FloatArray
from .network import Network, Workspace
from .rows import Block, Rows


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
        self.penalty = (alpha * network.is_coef()).astype(rows.dtype)
        self._workspaces: dict[int, Workspace] = {}

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
