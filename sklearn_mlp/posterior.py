"""How sure the weights are: the Gaussian posterior around them, by Laplace's approximation.

With noise of precision β_k on output k and a Gaussian prior of precision α_g on the weights
of group g, the most probable weights minimise

    F = ½ Σ_k β_k E_k + ½ Σ_g α_g ‖w_g‖².

Around them the posterior is taken as Gaussian with precision A = Σ_k β_k H_k + diag(α), where H_k
is the Gauss-Newton Hessian. The data determine γ_g of the k_g weights of a group. The data of
output k determine γ_k parameters (MacKay, 1992, equations 4.8 to 4.10):

    γ_g = k_g - α_g tr(A⁻¹)_g,     γ_k = β_k tr(A⁻¹ H_k).

The logarithm of the probability of the data, the log evidence, is

    log p(y) = -F - ½ log|A| + ½ Σ_g k_g log α_g + N/2 Σ_k log(β_k / 2π).

The variance of a prediction with the derivatives j by the parameters is 1/β + j A⁻¹ jᵀ, times a
factor. Leaving out each row in turn shows how large it must be: see :func:`calibrated`.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np
from scipy.special import gammaln

from ._typing import BoolArray, FloatArray, IntArray
from .curvature import Factor
from .losses import Loss
from .network import Network
from .objective import NetworkKernel, Noise, Objective, Point, Precisions
from .rows import Block, Kernel, RowKernel, Sums, Work

NOISE_RANGE = (1e-100, 1e100)
"""Between these is the precision of the noise."""

LEAST_FREE_ROWS = 1e-3
"""The smallest share of the rows that counts as degrees of freedom for the noise.

If all rows were fitted exactly, the noise would be estimated as 0.
"""

LEAST_PENALTY = 1e-10
"""What the data determine better than a penalty of this strength counts as determined by the data.

It stands in for a penalty of 0, whose prior is improper.
"""

FEW_PARAMETERS = 0.5
"""Fewer determined parameters than this are none: one that matters is determined by more than a
half."""

MOST_LOG_VARIANCE = 25.0
"""The largest variance that a logarithm of a mean is believed to have."""

MOST_LOG_MEAN = 680.0
"""The largest logarithm of a mean, to both sides. That of the largest float64 is 709."""

KINDS = ("coefs", "intercepts")
"""The kinds of parameters of a layer, by the names of the estimator's attributes."""

FLAT = -1
"""The label of parameters that belong to no group: their prior is flat."""


class Group(NamedTuple):
    """The name of weights whose prior has one precision.

    Attributes
    ----------
    layer : int
    kind : {"coefs", "intercepts"}
    input : int or None
        None for those of all inputs of the layer.
    unit : int or None
        None for those of all units of the layer.
    """

    layer: int
    kind: str
    input: int | None = None
    unit: int | None = None


@dataclass(frozen=True)
class WeightGroups:
    """Which weights share a prior precision.

    Attributes
    ----------
    labels : array of int of shape (n_parameters,)
        The position in `names` of each parameter's group, or FLAT.
    names : tuple of Group
    constant : tuple of int
        The inputs that do not vary, if each input has a group. Whether they matter is no choice.
    """

    labels: IntArray
    names: tuple[Group, ...]
    constant: tuple[int, ...] = ()

    @classmethod
    def by_layer(
        cls, network: Network, *, per_input: bool, varies: BoolArray | None = None
    ) -> Self:
        """A group for each layer's coefs and one for its biases.

        The last layer has a group of coefs for each output, and biases with a flat prior.

        Parameters
        ----------
        network : Network
        per_input : bool
            Whether the coefs of the first of several layers have a group for each input:
            automatic relevance determination (MacKay, 1994; Neal, 1996).
        varies : array of bool of shape (n_features,), optional
            Which inputs vary; by default all.
        """
        names: list[Group] = []
        labels = np.full(network.n_parameters, float(FLAT))  # whole numbers
        *hidden, last = network.layers(labels)
        for i, W in enumerate(hidden):
            inputs = range(len(W) - 1) if i == 0 and per_input else [None]
            W[1:] = len(names) + np.arange(len(inputs))[:, np.newaxis]
            names += [Group(i, "coefs", input=j) for j in inputs]
            W[0] = len(names)
            names.append(Group(i, "intercepts"))
        n_outputs = last.shape[1]
        last[1:] = len(names) + np.arange(n_outputs)
        names += [Group(len(hidden), "coefs", unit=k) for k in range(n_outputs)]
        constant = () if varies is None else tuple(map(int, np.flatnonzero(~varies)))
        return cls(labels.astype(np.intp), tuple(names), constant)

    @property
    def sizes(self) -> FloatArray:
        """k: the number of weights in each group."""
        return self.sum(np.ones(len(self.labels)))

    @property
    def of_one_input(self) -> list[int]:
        """The positions in `names` of the groups that hold the weights of one input each."""
        return [i for i, group in enumerate(self.names) if group.input is not None]

    @property
    def of_one_varying_input(self) -> list[int]:
        """The positions in `names` of the groups that hold the weights of one that varies."""
        return [i for i in self.of_one_input if self.names[i].input not in self.constant]

    def sum(self, values: FloatArray) -> FloatArray:
        """The sum of each group's values, of one value for each parameter."""
        grouped = self.labels != FLAT
        sums = np.bincount(self.labels[grouped], values[grouped], len(self.names))
        return sums.astype(np.float64)

    def per_parameter(self, alpha: FloatArray) -> FloatArray:
        """Each parameter's value, of one value for each group; 0 where the prior is flat."""
        return np.append(alpha, 0.0)[self.labels]

    def carried_from(self, other: Self, alpha: FloatArray) -> FloatArray:
        """For each of these groups the value that its weights have in the groups `other`."""
        carried = np.empty(len(self.names))
        grouped = self.labels != FLAT
        carried[self.labels[grouped]] = other.per_parameter(alpha)[grouped]
        return carried

    def by_attribute(self, alpha: FloatArray, n_layers: int) -> dict[str, float | FloatArray]:
        """The values of the groups by the names of the estimator's attributes."""
        named: dict[str, float | FloatArray] = {}
        for i in range(n_layers):
            for kind in KINDS:
                values = [
                    float(a)
                    for group, a in zip(self.names, alpha, strict=True)
                    if (group.layer, group.kind) == (i, kind)
                ]
                several = len(values) > 1
                named[f"{kind}_[{i}]"] = np.array(values) if several else float(sum(values))
        return named


class Gaussian(NamedTuple):
    """A part of a predictive distribution.

    Attributes
    ----------
    share : float
        Its weight in the mixture. All sum to one.
    mean, variance : array of shape (n_rows, n_outputs)
    """

    share: float
    mean: FloatArray
    variance: FloatArray


class Posterior(Protocol):
    """What is known about the weights, in any form of storage.

    Attributes
    ----------
    kind : {"all parameters", "last layer"}
        The parameters that are uncertain in it.
    w : array of shape (n_parameters,)
        The mode.
    beta : array of shape (n_outputs,)
        The precision of each output's noise.
    n : float
        Number of rows, or the sum of their weights.
    log_evidence : float
    n_effective_parameters : float
        How many parameters the data determine.
    """

    kind: ClassVar[str]

    @property
    def w(self) -> FloatArray: ...  # noqa: D102  # described with the class, as are the next
    @property
    def beta(self) -> FloatArray: ...  # noqa: D102
    @property
    def n(self) -> float: ...  # noqa: D102
    @property
    def log_evidence(self) -> float: ...  # noqa: D102
    @property
    def n_effective_parameters(self) -> float: ...  # noqa: D102

    def predictive(
        self, network: Network, block: Block, work: Work, noise: Noise | None
    ) -> "list[Gaussian]":
        """The distribution of a new observation of each row and output, as a mixture.

        With `noise` that varies, its variance takes the place of 1/β.
        """
        ...

    def parts(
        self, network: Network, trained_on: bool, noise: Noise | None
    ) -> "list[tuple[float, LeaveOneOutErrors]]":
        """The shares of the networks in it, and the errors of each by leaving out rows."""
        ...

    def precisions(self, n_layers: int) -> dict[str, float | FloatArray]:
        """The precision of each weight group, by the names of the estimator's attributes."""
        ...


class GaussianPosterior(Posterior, Protocol):
    """A posterior that is one Gaussian over all parameters.

    Attributes
    ----------
    calibration : array of shape (n_outputs,)
        What the variance of each output's predictions is multiplied by.
    """

    @property
    def calibration(self) -> FloatArray: ...  # noqa: D102

    def variance(self, J: FloatArray) -> FloatArray:
        """j A⁻¹ jᵀ for each column j of ``J`` (n_parameters, n_rows), shape (n_rows,)."""
        ...

    def covariance_root(self) -> FloatArray:
        """M of A⁻¹ = M Mᵀ, of shape (n_parameters, rank)."""
        ...


@dataclass(frozen=True)
class LaplacePosterior:
    """The posterior with a factor of its precision A.

    Attributes
    ----------
    w : array of shape (n_parameters,)
        Its mode.
    groups : WeightGroups
    alpha : array of shape (n_groups,)
        The precision of each group's prior.
    beta : array of shape (n_outputs,)
        The precision of each output's noise.
    factor : Factor
        Of A.
    gamma : array of shape (n_groups,)
        How many weights of each group the data determine.
    gamma_of_output : array of shape (n_outputs,)
        How many parameters each output's data determine.
    log_evidence : float
    n : float
        Number of rows, or the sum of their weights.
    calibration : array of shape (n_outputs,)
        What the variance of each output's predictions is multiplied by.
    leave_one_out : float
        The leave-one-out log density of the rows. NaN until it is :func:`calibrated`.
    """

    w: FloatArray
    groups: WeightGroups
    alpha: FloatArray
    beta: FloatArray
    factor: Factor
    gamma: FloatArray
    gamma_of_output: FloatArray
    log_evidence: float
    n: float
    calibration: FloatArray
    leave_one_out: float = np.nan

    kind: ClassVar[str] = "all parameters"

    @property
    def n_effective_parameters(self) -> float:
        """How many parameters the data determine."""
        return float(self.gamma_of_output.sum())

    @property
    def is_of_a_constant(self) -> bool:
        """Whether the data determine no more than the output biases: no input matters."""
        return self.n_effective_parameters < len(self.beta) + FEW_PARAMETERS

    @property
    def choice_of_inputs(self) -> float:
        """The cost of the choice of inputs, in log evidence."""
        return choice_of_inputs(self.gamma[self.groups.of_one_varying_input])

    def variance(self, J: FloatArray) -> FloatArray:
        """j A⁻¹ jᵀ for each column j of ``J`` (n_parameters, n_rows), shape (n_rows,)."""
        return self.factor.variance(J)

    def predictive(
        self, network: Network, block: Block, work: Work, noise: Noise | None
    ) -> list[Gaussian]:
        """ŷ, and c (1/β + j A⁻¹ jᵀ), of each row and output."""
        z, v = self.outputs(network, block, work)
        own = 1 / self.beta if noise is None else noise.variance(block, work).T
        return [Gaussian(1.0, z.T, self.calibration * (v.T + own))]

    def outputs(self, network: Network, block: Block, work: Work) -> tuple[FloatArray, FloatArray]:
        """The output z of the network and its variance j A⁻¹ jᵀ, both (n_outputs, n_rows)."""
        workspace = work.workspace(network, block)
        z = network.pass_over(self.w, block.inputs, workspace).copy()
        J = network.jacobian(network.layers(self.w), block.inputs, workspace)
        return z, np.array([self.variance(J_k) for J_k in J])

    def parts(
        self, network: Network, trained_on: bool, noise: Noise | None
    ) -> "list[tuple[float, LeaveOneOutErrors]]":
        """All parameters, by leaving out each row."""
        return [(1.0, LeaveOneOutErrors(network, self.w, self, trained_on, noise))]

    def covariance_root(self) -> FloatArray:
        """M of A⁻¹ = M Mᵀ, of shape (n_parameters, n_parameters)."""
        return self.factor.covariance_root()

    def widened(self, calibration: FloatArray) -> "LaplacePosterior":
        """With variances of predictions that are at least so many times their own."""
        return replace(self, calibration=np.maximum(self.calibration, calibration))

    def precisions(self, n_layers: int) -> dict[str, float | FloatArray]:
        """The precision of each weight group, by the names of the estimator's attributes."""
        return self.groups.by_attribute(self.alpha, n_layers)


def laplace(
    point: Point, groups: WeightGroups, alpha: FloatArray, beta: FloatArray, n: float
) -> LaplacePosterior:
    """The posterior around a point, given the precisions.

    Parameters
    ----------
    point : Point
    groups : WeightGroups
    alpha : array of shape (n_groups,)
    beta : array of shape (n_outputs,)
    n : float
        Number of rows, or the sum of their weights.

    Returns
    -------
    LaplacePosterior
    """
    w, sums = point
    precisions = Precisions(beta, groups.per_parameter(alpha))
    factor, determined, of_output = precisions.curvature(sums).factored()
    sizes = groups.sizes
    log_evidence = (
        -precisions.cost(sums.E, w)
        - 0.5 * factor.log_determinant
        + 0.5 * sizes[alpha > 0] @ np.log(alpha[alpha > 0])
        + 0.5 * n * np.log(beta / (2 * np.pi)).sum()
    )
    gamma = groups.sum(determined)
    return LaplacePosterior(
        w, groups, alpha, beta, factor, gamma, np.clip(of_output, 0, n),
        float(log_evidence) - choice_of_inputs(gamma[groups.of_one_varying_input]), n,
        calibration=np.ones_like(beta),
    )  # fmt: skip


def choice_of_inputs(gamma: FloatArray) -> float:
    """The cost of separate precisions for the inputs, in log evidence.

    The evidence of precisions that were fitted to the data is too high: with 100 inputs and 60 rows
    it is highest for a few dozen inputs that fit the noise. Fitting a precision gains one on
    average (Akaike, 1980), or the number of determined weights if that is less. Which k of d inputs
    matter is one choice of many: a prior that is uniform over k, and over the sets of k inputs,
    gives each set the probability 1 / ((d + 1) C(d, k)) (Scott & Berger, 2010).

    Parameters
    ----------
    gamma : array of shape (n_inputs,)
        How many weights of each input the data determine. Less than one is a part of an input.
    """
    if not len(gamma):
        return 0.0
    d, k = len(gamma), float(np.minimum(gamma, 1).sum())
    sets = gammaln(d + 1) - gammaln(k + 1) - gammaln(d - k + 1)
    return k + float(np.log(d + 1) + sets)


def posterior_under_penalty(objective: Objective, w: FloatArray) -> LaplacePosterior:
    """The posterior at the minimum of an objective with a penalty of fixed strength.

    The penalty is then the ratio of the prior's precision to the noise's: α = alpha β. Each output
    has the β of its own noise, and the layers that all share that of all together. The prior holds
    for the hidden biases too, which the penalty leaves out: under a flat one, the bias of a unit
    that does not contribute to the output would count as determined by the data.
    """
    n, network = objective.rows.total_weight, objective.network
    n_outputs = network.layer_sizes[-1]
    point = Point(w, objective.gauss_newton(w))
    groups = WeightGroups.by_layer(network, per_input=False)
    alpha = np.full(len(groups.names), max(objective.alpha, LEAST_PENALTY))
    unscaled = laplace(point, groups, alpha, np.ones(n_outputs), n)
    all_rows = n * n_outputs
    free = max(all_rows - unscaled.n_effective_parameters, LEAST_FREE_ROWS * all_rows)
    beta = float(np.clip(free / max(point.sums.E.sum(), 1e-300), *NOISE_RANGE))
    free_of_output = np.maximum(n - unscaled.gamma_of_output, LEAST_FREE_ROWS * n)
    noise = np.clip(free_of_output / np.maximum(point.sums.E, 1e-300), *NOISE_RANGE)
    if (dispersion := objective.loss.dispersion) is not None:
        beta, noise = 1 / dispersion, np.full(n_outputs, 1 / dispersion)
    for i, group in enumerate(groups.names):
        alpha[i] *= beta if group.unit is None else noise[group.unit]
    posterior = calibrated(laplace(point, groups, alpha, noise, n), objective)
    return with_normalizer(posterior, objective)


# What the posterior says of predictions -------------------------------------------------------


def calibrated(
    posterior: LaplacePosterior,
    objective: Objective,
    errors: "LeaveOneOutErrors | None" = None,
) -> LaplacePosterior:
    """Widen the error bars if leaving out each row in turn shows them to be too narrow.

    By the linearisation of the posterior, weights trained without row i have the error
    e_i / (1 - h_i), with e_i the error of the present weights and h_i = β j_i A⁻¹ j_iᵀ. Its
    predicted variance is 1/β + j_i A⁻¹ j_iᵀ / (1 - h_i). The mean of error² / variance is 1 if the
    posterior is right. It is larger where the function bends within the posterior's width, or where
    the noise is not the same everywhere. Variances are then multiplied by it. (Leaving out without
    training anew: Hansen & Larsen, 1996. Without hidden layers the posterior is exact, and stays.)

    With another loss than the squared error the variance follows from the mean, and there is
    nothing to widen: only the log density is computed.

    Rows that were not trained on need no leaving out.

    Parameters
    ----------
    posterior : LaplacePosterior
    objective : Objective
        Over the rows that it was trained on, or over held-out ones.
    errors : LeaveOneOutErrors, optional
        The errors and their variances; by default of all parameters, by leaving out each row.

    Returns
    -------
    LaplacePosterior
    """
    errors = errors or LeaveOneOutErrors(
        objective.network, posterior.w, posterior, noise=objective.noise
    )
    if not objective.loss.is_quadratic:
        density = LeaveOneOutDensity(objective.network, posterior.w, posterior, objective.loss)
        return replace(posterior, leave_one_out=objective.rows.sum(density))
    squares, logs, n = objective.rows.sum(errors)
    is_linear = len(objective.network.shapes) == 1
    calibration = posterior.calibration if is_linear else np.maximum(squares / n, 1.0)
    density = -0.5 * (squares / calibration + logs + n * np.log(2 * np.pi * calibration)).sum()
    return replace(posterior, calibration=calibration, leave_one_out=float(density))


def with_normalizer(posterior: LaplacePosterior, objective: Objective) -> LaplacePosterior:
    """With the log evidence of the distribution whose deviance the loss is.

    So far it is that of a normal distribution with the same β, which differs by what does not
    depend on the weights.
    """
    loss, beta = objective.loss, posterior.beta
    if loss.is_quadratic:
        return posterior
    normal = 0.5 * posterior.n * float(np.log(beta / (2 * np.pi)).sum())
    normalizer = objective.rows.sum(LogNormalizer(loss, beta))
    return replace(
        posterior,
        log_evidence=posterior.log_evidence + normalizer - normal,
        leave_one_out=posterior.leave_one_out + normalizer - normal,
    )


@dataclass(frozen=True, eq=False)
class LogNormalizer(Kernel[float]):
    """What the log density of the targets has beside -Σ β s ℓ."""

    loss: Loss
    beta: FloatArray

    @property
    def floats_per_row(self) -> int:
        """One for each target."""
        return len(self.beta)

    def __call__(self, block: Block, work: Work) -> float:
        """The terms of a block."""
        each = zip(block.targets, self.beta, strict=True)
        terms = sum(self.loss.log_normalizer(y, float(beta)) for y, beta in each)
        return float(np.sum(terms if block.weights is None else terms * block.weights))


@dataclass(frozen=True, eq=False)
class LeaveOneOutErrors(NetworkKernel):
    """Σ s error² / variance and Σ s log variance of each output, and Σ s.

    They are of weights that were trained without the row, or, for rows that were not trained on,
    of the weights as they are.
    """

    posterior: LaplacePosterior
    trained_on: bool = True
    noise: Noise | None = None

    @property
    def floats_per_row(self) -> int:
        """A pass, a row of the Jacobian, and that row times the root of the covariance."""
        return self.network.floats_per_row + 2 * (
            self.network.layer_sizes[-1] * self.network.n_parameters
        )

    def left_out(self, block: Block, work: Work) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The error, the variances of the prediction and of the noise, (n_outputs, n_rows)."""
        J, e = self.jacobian(block, work)
        v = np.array([self.posterior.variance(J_k) for J_k in J])
        beta = self.posterior.beta[:, np.newaxis]
        noise: FloatArray = np.broadcast_to(1 / beta, v.shape)
        w: FloatArray = np.ones(v.shape[1])
        if self.noise is not None:
            noise = self.noise.variance(block, work)
            w = self.noise.weights(noise)
        if not self.trained_on:
            return e, v, noise
        s = 1.0 if block.weights is None else np.minimum(block.weights / w, 1)
        left = np.maximum(1 - s * w * beta * v, 1e-6)  # of a weight of 2, one copy
        return e / left, v / left, noise

    def errors(self, block: Block, work: Work) -> tuple[FloatArray, FloatArray]:
        """The error and its variance of each output and row, both (n_outputs, n_rows)."""
        error, v, noise = self.left_out(block, work)
        return error, v + noise

    def counts(self, block: Block, work: Work) -> FloatArray:
        """The weights of the rows, without what they are weighted by for the noise."""
        if block.weights is None:
            return np.ones(block.inputs.shape[1])
        if self.noise is None:
            return block.weights
        return block.weights / self.noise.weights(self.noise.variance(block, work))

    def __call__(self, block: Block, work: Work) -> Sums:
        """The terms of a block, both of shape (n_outputs,), and Σ s."""
        error, variance = self.errors(block, work)
        s = self.counts(block, work)
        return Sums((error**2 / variance) @ s, np.log(variance) @ s, float(s.sum()))


@dataclass(frozen=True, eq=False)
class LeaveOneOutDensity(NetworkKernel):
    """Σ s log p(y), of each row by what is known without it, for a loss that is not quadratic.

    Let v be the variance of the output z, ℓ' and c the derivative and the curvature of the loss,
    and h = β c v. By the linearisation of :func:`calibrated` the output without the row is
    normal, with the mean z + β v ℓ' / (1 - h) and the variance u = v / (1 - h), where the mean is
    believed to move by no more than the root of MOST_LOG_VARIANCE. There, with the
    loss as a parabola around the mean, the integral of exp(-βℓ) is

        exp(-βℓ) exp(½ u (βℓ')² / (1 + β c u)) / √(1 + β c u).
    """

    posterior: LaplacePosterior
    loss: Loss

    @property
    def floats_per_row(self) -> int:
        """A pass, a row of the Jacobian, and that row times the root of the covariance."""
        return PredictiveVariances(self.network, self.posterior).floats_per_row

    def __call__(self, block: Block, work: Work) -> float:
        """The terms of a block."""
        y, loss = block.targets, self.loss
        z, v = self.posterior.outputs(self.network, block, work)
        beta = self.posterior.beta[:, np.newaxis]
        s = np.ones(z.shape[1]) if block.weights is None else block.weights
        left = np.maximum(1 - np.minimum(s, 1) * beta * loss.curvature(z, y) * v, 1e-6)
        u = v / left
        farthest = np.sqrt(MOST_LOG_VARIANCE)
        z += np.clip(np.minimum(s, 1) * beta * u * loss.slope(z, y), -farthest, farthest)
        ell, slope = loss.value_and_slope(z, y)
        wider = 1 + beta * loss.curvature(z, y) * u
        log_density = 0.5 * (u * (beta * slope) ** 2 / wider - np.log(wider)) - beta * ell
        return float(((log_density + 0.5 * np.log(beta / (2 * np.pi))) @ s).sum())


@dataclass(frozen=True, eq=False)
class LeftOutErrors(RowKernel):
    """The error of a mean of networks at each row, without the row, and its variances.

    With shares p, errors e and variances v of the predictions, and calibrations c, these are
    ē = Σ p e, Σ p v + Σ p (e - ē)², and Σ p c v + Σ p (e - ē)². Then comes the largest leverage
    that the row has in a network, which is h = v / (v + σ²) for noise of the variance σ² there; 0
    if it was not trained on the row.
    """

    of_networks: tuple[tuple[float, LeaveOneOutErrors], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Four numbers for each output."""
        return (self.of_networks[0][1].network.layer_sizes[-1], 4)

    @property
    def floats_per_row(self) -> int:
        """Those of the largest network."""
        return max(errors.floats_per_row for _, errors in self.of_networks)

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """Of shape (n_rows, n_outputs, 4)."""
        each = [(p, one, *one.left_out(block, work)) for p, one in self.of_networks]
        mean = sum(p * e for p, _, e, *_ in each)
        spread = sum(p * (e - mean) ** 2 for p, _, e, *_ in each)
        own = sum(p * v for p, _, _, v, _ in each)
        widened = sum(p * one.posterior.calibration[:, np.newaxis] * v for p, one, _, v, _ in each)
        leverage = np.max(
            [one.trained_on * v / (v + noise) for _, one, _, v, noise in each], axis=0
        )
        return np.stack([mean, own + spread, widened + spread, leverage]).transpose(2, 1, 0)


@dataclass(frozen=True, eq=False)
class PredictiveVariances(RowKernel):
    """The variance of a new observation of each row and output."""

    network: Network
    posterior: Posterior
    noise: Noise | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """One number for each output."""
        return (self.network.layer_sizes[-1],)

    @property
    def floats_per_row(self) -> int:
        """A pass, a row of the Jacobian, and that row times the root of the covariance."""
        return self.network.floats_per_row + 2 * (
            self.network.layer_sizes[-1] * self.network.n_parameters
        )

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """Of shape (n_rows, n_outputs), by the law of total variance."""
        parts = self.posterior.predictive(self.network, block, work, self.noise)
        mean = sum(part.share * part.mean for part in parts)
        terms = (part.share * (part.variance + (part.mean - mean) ** 2) for part in parts)
        variance: FloatArray = sum(terms, np.zeros_like(mean))
        return variance


@dataclass(frozen=True, eq=False)
class DispersionVariances(RowKernel):
    """The mean and the variance of a new observation whose variance is φ times a power of its mean.

    The logarithm of the mean is normal, with the network's output z as its mean and the variance
    v = j A⁻¹ jᵀ. With μ = exp(z) and the power p, the law of total variance gives

        E[y] = μ exp(v/2),    Var[y] = φ μᵖ exp(p² v/2) + μ² exp(v) (exp(v) - 1).

    The variance is divided by E[y]², which could overflow. Far from the rows v is cut at
    MOST_LOG_VARIANCE, and z at ±MOST_LOG_MEAN.
    """

    network: Network
    posterior: Posterior
    power: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Two numbers for each output."""
        return (2, self.network.layer_sizes[-1])

    @property
    def floats_per_row(self) -> int:
        """As those of the variances of a normal distribution."""
        return PredictiveVariances(self.network, self.posterior).floats_per_row

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """The mean and Var[y] / E[y]², of shape (n_rows, 2, n_outputs).

        Those of a mixture of networks are the mixture's.
        """
        shares, means, variances = [], [], []
        p = self.power
        for share, part in self.posterior.parts(self.network, True, None):
            z, v = part.posterior.outputs(part.network, block, work)
            z, v = np.clip(z, -MOST_LOG_MEAN, MOST_LOG_MEAN), np.minimum(v, MOST_LOG_VARIANCE)
            dispersion = 1 / part.posterior.beta[:, np.newaxis]
            shares.append(share)
            means.append(np.exp(z + v / 2))
            variances.append(dispersion * np.exp((p - 2) * z + (p**2 / 2 - 1) * v) + np.expm1(v))
        mean = np.tensordot(shares, means, axes=1)
        ratios = means / mean
        relative = np.tensordot(shares, ratios**2 * variances + (ratios - 1) ** 2, axes=1)
        return np.transpose([mean, relative], (2, 0, 1))


@dataclass(frozen=True, eq=False)
class PredictiveMixtures(PredictiveVariances):
    """The means and the variances of the parts of the predictive distribution."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Means and variances of each output and part."""
        n_parts = len(self.posterior.parts(self.network, True, None))
        return (2, self.network.layer_sizes[-1], n_parts)

    def __call__(self, block: Block, work: Work) -> FloatArray:
        """Of shape (n_rows, 2, n_outputs, n_parts)."""
        parts = self.posterior.predictive(self.network, block, work, self.noise)
        both = [[part.mean for part in parts], [part.variance for part in parts]]
        return np.transpose(both, (2, 0, 3, 1))
