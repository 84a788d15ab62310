"""The multi-layer perceptron: input times weights, plus a bias, activate.

Let W_l be the (n_in + 1, n_out) matrix of layer l, with the biases in row 0, and a_l the outputs
of layer l with a 1 prepended:

    forward     a_0 = [1, x],   h_l = f(W_lᵀ a_{l-1}),   a_l = [1, h_l],   ŷ = W_Lᵀ a_{L-1}
    backward    δ_L = seed,     δ_{l-1} = f'(z_{l-1}) ∘ (W_l δ_l without its bias row)
    gradient    ∂/∂W_l = a_{l-1} δ_lᵀ, summed over the rows of the data

The backward recursion serves two purposes. With the error ŷ - y as its seed, it gives the gradient
of half the squared error. With the unit vectors of the output as seeds, it gives the Jacobian.

Arrays have **one column per row of the data**. So the outputs of one unit over a block of rows are
contiguous, and a layer with its bias is a single matrix product.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.linalg import qr, svd
from numpy.random import RandomState
from numpy.typing import DTypeLike

from ._lazy import lazy
from ._typing import BoolArray, FloatArray, IntArray
from .activations import ACTIVATIONS

SMALL_ARGUMENT = 0.1
"""The standard deviation of an argument below which a smooth unit is practically linear."""


class Workspace:
    """The arrays of one forward and backward pass over `n_rows` rows, allocated once and reused.

    Parameters
    ----------
    layer_sizes : sequence of int
    n_rows : int
    dtype : dtype
    remembers : bool, default=False
        Whether :meth:`Network.pass_over` keeps its forward pass in it and reuses it.

    Attributes
    ----------
    n_rows : int
    outputs : list of arrays of shape (n_units + 1, n_rows)
        The output of each hidden layer: a row of ones, then its units.
    units : list of arrays of shape (n_units, n_rows)
        Views of `outputs` without the row of ones.
    prediction : array of shape (n_outputs, n_rows)
    error : array of shape (n_outputs, n_rows)
        Filled by the caller, who knows the targets.
    w : array of shape (n_parameters,) or None
        The weights of the forward pass that it keeps; None if it keeps none.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        n_rows: int,
        dtype: DTypeLike,
        *,
        remembers: bool = False,
    ) -> None:
        self.n_rows, self.remembers = n_rows, remembers
        *hidden, n_outputs = layer_sizes[1:]
        self.outputs = [np.ones((n + 1, n_rows), dtype) for n in hidden]
        self.units = [a[1:] for a in self.outputs]
        self.prediction = np.empty((n_outputs, n_rows), dtype)
        self.error = np.empty_like(self.prediction)
        self.w: FloatArray | None = None

    @lazy
    def deltas(self) -> list[FloatArray]:
        """δ of each hidden layer. Like the slopes, allocated only for a backward pass."""
        return [np.empty_like(h) for h in self.units]

    @lazy
    def slopes(self) -> list[FloatArray]:
        """f' of each hidden layer."""
        return [np.empty_like(h) for h in self.units]


class Network:
    """A fully connected network whose parameters are one flat vector ``w``.

    The network holds no weights: every method is a function of ``w``. :meth:`layers` returns the
    matrix of each layer as a view of ``w``.

    Parameters
    ----------
    layer_sizes : sequence of int
        Number of inputs, of units in each hidden layer, and of outputs.
    activation : str
        Activation of the hidden layers, a key of ``ACTIVATIONS``. The output layer is linear.

    Examples
    --------
    The shapes of the article's network, 4 inputs, 5 hidden units and one output:

    >>> import numpy as np
    >>> from sklearn_mlp.network import Network
    >>> network = Network([4, 5, 1], "sigmoid")
    >>> network.n_parameters
    31
    >>> [W.shape for W in network.layers(np.zeros(31))]
    [(5, 5), (6, 1)]
    """

    def __init__(self, layer_sizes: Sequence[int], activation: str) -> None:
        self.layer_sizes = tuple(layer_sizes)
        self.activation = activation
        self.shapes = [(n_in + 1, n_out) for n_in, n_out in pairwise(self.layer_sizes)]
        ends = [*accumulate((n_in * n_out for n_in, n_out in self.shapes), initial=0)]
        self._slices = [slice(a, b) for a, b in pairwise(ends)]
        self.n_parameters, self.n_hidden_parameters = ends[-1], ends[-2]
        self.floats_per_row = 3 * sum(self.layer_sizes)
        self._value, self._slope, self._value_of_minus = ACTIVATIONS[activation]

    def __getstate__(self) -> dict[str, Any]:
        return {"layer_sizes": self.layer_sizes, "activation": self.activation}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # the other attributes follow

    def layers(self, w: FloatArray) -> list[FloatArray]:
        """The weight matrix of each layer, bias row first, as views of ``w``.

        Parameters
        ----------
        w : array of shape (n_parameters,)

        Returns
        -------
        list of arrays of shape (n_in + 1, n_out)
        """
        return [w[s].reshape(shape) for s, shape in zip(self._slices, self.shapes, strict=True)]

    def is_coef(self) -> FloatArray:
        """1 for each parameter that is a coefficient, 0 for each bias, shape (n_parameters,)."""
        mask = np.ones(self.n_parameters)
        for W in self.layers(mask):
            W[0] = 0
        return mask

    def initial_weights(
        self, rng: RandomState, gain: float = 1.0, varies: BoolArray | None = None
    ) -> FloatArray:
        """Random weights that keep every layer's inputs centred and of the same variance.

        The inputs of a layer have mean μ and variance v (0 and 1 for z-scores). A layer of n
        inputs gets coefs ~ N(0, 1/(n v)) and biases ~ N(0, 1) - μ Σ coefs. So the argument z of
        every unit is N(0, 2) at any depth: there a sigmoid bends, but is not saturated. The mean
        and variance of f(z) are the μ and v of the next layer. (LeCun et al., 1998, section 4.6,
        with the mean of the sigmoid taken into account.) A gain below 1 scales all standard
        deviations down, which gives smoother functions. It is shared out among the hidden layers,
        because it multiplies from layer to layer: the whole network would shrink to a constant.

        Parameters
        ----------
        rng : numpy.random.RandomState
        gain : float, default=1.0
        varies : array of bool of shape (n_features,), optional
            Which inputs vary. The coefs of the others are 0, and the weights are those that a
            network without these inputs gets.

        Returns
        -------
        array of shape (n_parameters,)
        """
        if varies is not None and varies.any() and not varies.all():
            some = PartialNetwork(self, varies)
            return some.spread(some.initial_weights(rng, gain))
        w = np.empty(self.n_parameters)
        *hidden, last = self.layers(w)
        gain **= 1 / max(len(hidden), 1)
        mean, variance = 0.0, 1.0
        for W in hidden:
            _draw(W, mean, variance, gain, rng)
            W[0] += gain * rng.standard_normal(W.shape[1])
            mean, variance = self._moments_of_units(gain * np.sqrt(2))
        _draw(last, mean, variance, gain, rng)
        return w

    def linear_weights(self, coefs: FloatArray, rng: RandomState) -> FloatArray:
        """Random weights that make the network nearly a linear function of its inputs.

        Let C = U S Vᵀ be the coefs of that function, r their rank, L the number of layers, and
        P_l a random matrix of shape (units of layer l, r) with orthonormal columns. The coefs of
        the layers are

            U R P_1ᵀ,    P_1 R P_2ᵀ,    ...,    P_{L-1} R Vᵀ,    R = (S / gᴸ⁻¹)^(1/L),

        with g the slope of a unit whose argument is small. All layers have the same singular
        values, which makes their sum of squares the least. The biases center the arguments.

        Parameters
        ----------
        coefs : array of shape (n_inputs, n_outputs)
            C, for inputs with the mean 0. If a layer has fewer units than r, only the largest
            singular values are kept.
        rng : numpy.random.RandomState

        Returns
        -------
        array of shape (n_parameters,)
        """
        w = np.empty(self.n_parameters)
        layers = self.layers(w)
        n_layers, used = len(layers), coefs.any(axis=1) | ~coefs.any()
        rank = min(int(used.sum()), *self.layer_sizes[1:])
        U, S, Vt = svd(coefs[used], full_matrices=False)
        center, slope = self._line_through_units(SMALL_ARGUMENT)
        root = (S[:rank] / slope ** (n_layers - 1)) ** (1 / n_layers)
        left, mean = np.zeros((len(coefs), rank)), 0.0
        left[used] = U[:, :rank]
        for W in layers[:-1]:
            right = qr(rng.standard_normal((W.shape[1], rank)))[0]
            W[1:] = left * root @ right.T
            W[0] = -mean * W[1:].sum(axis=0)
            left, mean = right, center
        layers[-1][1:] = left * root @ Vt[:rank]
        layers[-1][0] = -mean * layers[-1][1:].sum(axis=0)
        return w

    def _line_through_units(self, std: float) -> tuple[float, float]:
        """Mean of f(z) and slope of the best line through it, for z ~ N(0, std²)."""
        nodes, weights = _gauss_hermite()
        h = std * nodes
        self._value(h)
        return float(weights @ h), float(weights @ (h * nodes)) / std

    def _moments_of_units(self, std: float) -> tuple[float, float]:
        """Mean and variance of f(z) for z ~ N(0, std²), by Gauss-Hermite quadrature."""
        nodes, weights = _gauss_hermite()
        h = std * nodes
        self._value(h)
        mean = float(weights @ h)
        return mean, float(weights @ (h - mean) ** 2)

    def forward(
        self, layers: list[FloatArray], inputs: FloatArray, workspace: Workspace
    ) -> FloatArray:
        """The forward pass: the prediction for each column of ``inputs``.

        Parameters
        ----------
        layers : list of arrays of shape (n_in + 1, n_out)
        inputs : array of shape (n_features + 1, n_rows)
            The data with a 1 prepended to each row, one column per row.
        workspace : Workspace
            Receives the outputs of every layer.

        Returns
        -------
        array of shape (n_outputs, n_rows)
        """
        a = self.seen(inputs)
        for W, a_next, h in zip(layers[:-1], workspace.outputs, workspace.units, strict=True):
            self._activate(W, a, h)
            a = a_next
        return self.read_out(layers[-1], a, workspace)

    def pass_over(self, w: FloatArray, inputs: FloatArray, workspace: Workspace) -> FloatArray:
        """:meth:`forward` with the flat vector ``w``, unless the workspace keeps that pass.

        A step of Levenberg-Marquardt computes the errors, and then the derivatives, at the same
        weights.
        """
        layers, n_hidden = self.layers(w), self.n_hidden_parameters
        before = workspace.w
        if before is not None and np.array_equal(before, w):
            return workspace.prediction
        if before is not None and np.array_equal(before[:n_hidden], w[:n_hidden]):
            self.read_out(layers[-1], self.last_hidden(inputs, workspace), workspace)
        else:
            self.forward(layers, inputs, workspace)
        workspace.w = w.copy() if workspace.remembers else None
        return workspace.prediction

    def last_hidden(self, inputs: FloatArray, workspace: Workspace) -> FloatArray:
        """The input of the output layer: a row of ones, then one row for each unit before it."""
        return workspace.outputs[-1] if workspace.outputs else self.seen(inputs)

    def seen(self, inputs: FloatArray) -> FloatArray:
        """The rows of ``inputs`` that the network reads: here all."""
        return inputs

    def first_layer(self, w: FloatArray) -> FloatArray:
        """The matrix of the first layer, with a row for each of the inputs: here as it is."""
        return self.layers(w)[0]

    def read_out(self, W: FloatArray, a: FloatArray, workspace: Workspace) -> FloatArray:
        """The output layer alone: ŷ = Wᵀ a."""
        return np.matmul(W.T, a, out=workspace.prediction)

    def _activate(self, W: FloatArray, a: FloatArray, h: FloatArray) -> None:
        """h = f(Wᵀ a). The minus of σ(z) = 1 / (1 + exp(-z)) is applied to the smaller of W, z."""
        if self._value_of_minus is not None and W.size < h.size:
            np.matmul(-W.T, a, out=h)
            self._value_of_minus(h)
        else:
            np.matmul(W.T, a, out=h)
            self._value(h)

    def _backward(
        self, layers: list[FloatArray], inputs: FloatArray, workspace: Workspace, seed: FloatArray
    ) -> Iterator[tuple[int, FloatArray, FloatArray]]:
        """Go back from the output, and yield the index, the input a and the δ of each layer."""
        delta = seed
        for i in range(len(layers) - 1, 0, -1):
            yield i, workspace.outputs[i - 1], delta
            # With one output this is an outer product, for which matmul is slow.
            product = np.multiply if len(delta) == 1 else np.matmul
            delta = product(layers[i][1:], delta, out=workspace.deltas[i - 1])
            delta *= workspace.slopes[i - 1]
        yield 0, self.seen(inputs), delta

    def _take_slopes(self, workspace: Workspace) -> None:
        for h, slope in zip(workspace.units, workspace.slopes, strict=True):
            self._slope(h, slope)

    def gradient(
        self,
        layers: list[FloatArray],
        inputs: FloatArray,
        workspace: Workspace,
        error: FloatArray,
        out: list[FloatArray],
    ) -> None:
        """The gradient of Σ ½‖ŷ - y‖² after a forward pass, into the matrices of ``out``.

        Parameters
        ----------
        layers, inputs, workspace
            As passed to :meth:`forward`.
        error : array of shape (n_outputs, n_rows)
            ŷ - y, times the weight of each row if rows have weights.
        out : list of arrays of shape (n_in + 1, n_out)
            The matrices of a flat vector, from :meth:`layers`. They receive the gradient.
        """
        self._take_slopes(workspace)
        for i, a, delta in self._backward(layers, inputs, workspace, error):
            np.matmul(a, delta.T, out=out[i])

    def jacobian(
        self,
        layers: list[FloatArray],
        inputs: FloatArray,
        workspace: Workspace,
        out: FloatArray | None = None,
    ) -> FloatArray:
        """The derivative of each prediction with respect to each parameter, after a forward pass.

        Parameters
        ----------
        layers, inputs, workspace
            As passed to :meth:`forward`.
        out : array of shape (n_outputs, n_parameters, n_rows), optional
            The array for the result.

        Returns
        -------
        array of shape (n_outputs, n_parameters, n_rows)
        """
        n_outputs, n_rows = workspace.prediction.shape
        self._take_slopes(workspace)
        J = np.empty((n_outputs, self.n_parameters, n_rows), inputs.dtype) if out is None else out
        for k, unit_vector in self._unit_vectors(inputs, workspace):
            for i, a, delta in self._backward(layers, inputs, workspace, unit_vector):
                block = J[k, self._slices[i]].reshape(*self.shapes[i], n_rows)
                np.multiply(a[:, np.newaxis], delta, out=block)
        return J

    def input_gradient(
        self, layers: list[FloatArray], inputs: FloatArray, workspace: Workspace
    ) -> FloatArray:
        """The derivative of each prediction with respect to each feature, after a forward pass.

        Parameters
        ----------
        layers, inputs, workspace
            As passed to :meth:`forward`.

        Returns
        -------
        array of shape (n_outputs, n_features, n_rows)
        """
        n_outputs, n_rows = workspace.prediction.shape
        self._take_slopes(workspace)
        D = np.empty((n_outputs, len(inputs) - 1, n_rows), inputs.dtype)
        for k, unit_vector in self._unit_vectors(inputs, workspace):
            *_, (_, _, delta) = self._backward(layers, inputs, workspace, unit_vector)
            np.matmul(layers[0][1:], delta, out=D[k])
        return D

    def _unit_vectors(
        self, inputs: FloatArray, workspace: Workspace
    ) -> Iterator[tuple[int, FloatArray]]:
        """The index of each output, and its seed of the backward recursion."""
        for k in range(len(workspace.prediction)):
            seed = np.zeros(workspace.prediction.shape, inputs.dtype)
            seed[k] = 1
            yield k, seed


class PartialNetwork(Network):
    """A network that reads only some of the inputs.

    It is the network `whole` in which the coefs of the other inputs are 0, with fewer parameters.

    Parameters
    ----------
    whole : Network
    reads : array of bool of shape (n_features,)
        Which inputs it reads.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.network import Network, PartialNetwork
    >>> network = PartialNetwork(Network([3, 1], "identity"), np.array([True, False, True]))
    >>> network.n_parameters
    3
    >>> network.spread(np.array([5.0, 1.0, 3.0]))
    array([5., 1., 0., 3.])
    """

    def __init__(self, whole: Network, reads: BoolArray) -> None:
        super().__init__([int(reads.sum()), *whole.layer_sizes[1:]], whole.activation)
        self.whole, self.reads = whole, reads
        self._rows = np.flatnonzero(np.append(True, reads))  # of the inputs, a row of ones first
        n_first, n_units = whole.shapes[0]
        kept = np.arange(n_first * n_units).reshape(n_first, n_units)[self._rows].ravel()
        self.kept: IntArray = np.append(kept, np.arange(n_first * n_units, whole.n_parameters))
        """The positions of its parameters among those of `whole`."""

    def __getstate__(self) -> dict[str, Any]:
        return {"whole": self.whole, "reads": self.reads}

    def initial_weights(
        self, rng: RandomState, gain: float = 1.0, varies: BoolArray | None = None
    ) -> FloatArray:
        """Random weights, where `varies` is of all inputs; see :meth:`Network.initial_weights`."""
        return super().initial_weights(rng, gain, None if varies is None else varies[self.reads])

    def seen(self, inputs: FloatArray) -> FloatArray:
        """The rows of ``inputs`` that the network reads, as a copy."""
        return inputs[self._rows]

    def first_layer(self, w: FloatArray) -> FloatArray:
        """The matrix of the first layer, with 0 for the inputs that the network does not read."""
        return self.whole.layers(self.spread(w))[0]

    def spread(self, values: FloatArray, rest: float = 0.0) -> FloatArray:
        """A value for each parameter of `whole`, from one for each of its own; else `rest`."""
        spread = np.full(self.whole.n_parameters, rest)
        spread[self.kept] = values
        return spread


def in_use(network: Network, alive: BoolArray) -> Network:
    """The network without its other inputs, which determines the cost of a step."""
    return network if alive.all() else PartialNetwork(network, alive)


@cache
def _gauss_hermite() -> tuple[FloatArray, FloatArray]:
    """The nodes and weights for the mean of a function of a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    return nodes, weights / weights.sum()


def _draw(W: FloatArray, mean: float, variance: float, gain: float, rng: RandomState) -> None:
    """Fill a layer so that inputs of this mean and variance give outputs N(0, gain²)."""
    n_in = len(W) - 1
    W[1:] = gain * rng.standard_normal(W[1:].shape) / np.sqrt(n_in * variance)
    W[0] = -mean * W[1:].sum(axis=0)
