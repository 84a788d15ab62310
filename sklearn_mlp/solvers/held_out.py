"""First-order training whose penalty is set by held-out rows.

Minibatch descent learns first what matters most, and the noise last. So some rows are held out, and
the weights that predict them best are kept. Four things make these weights better than those of
Adam:

- *Small first coefs.* Coefs grow only where the data require it, so those of irrelevant inputs stay
  small.
- *One step size for the coefs of a layer, and one for its biases.* With the gradient g, and its
  part G for the coefs or the biases of a layer,

      m ← β₁ m + (1 - β₁) g,    v_G ← β₂ v_G + (1 - β₂) mean(G²)
      w ← w - η √(1 - β₂ᵗ) / (1 - β₁ᵗ)  m / (√v_G + ε).

  Adam has a v for each weight. There a coef that follows only noise moves as fast as any other.
- *The mean of the weights* over about the last epoch. The last weights themselves jitter.
- *Rounds.* The first round measures how far each input moves the predictions (see
  :func:`~sklearn_mlp.model.relevances`). The second multiplies each input by that, and begins again
  from the first weights (compare Radhakrishnan et al., 2024). The later rounds do the same, with a
  penalty.

The constants were chosen by the error on fresh rows without noise: on Friedman's first function, a
linear one and one with steps; 2,000 to 50,000 rows of 20 and 100 columns; noise of 0, 0.3 and 1
times the deviation of the targets; one hidden layer of 200 units, and three of 100.

A. Radhakrishnan, D. Beaglehole, P. Pandit & M. Belkin (2024). "Mechanism for feature learning in
neural networks and backpropagation-free machine learning models". Science 383, 1461-1467.
"""

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.random import RandomState

from .._typing import FloatArray
from ..model import relevances
from ..monitor import Attempts, Monitor
from ..network import Network
from ..objective import Objective
from .adam import Adam
from .base import Solver

HELD_OUT = 0.1
"""The share of the rows that is held out."""

LEAST_ROWS = 200
"""With fewer rows, the held-out ones are too few to judge by."""

STRENGTHS = (0.0, 0.0, 0.3, 3.0)
"""The strength of the penalty in each round, in the meaning of ``alpha``. 1 and 10 lose 0.02 of
R² on steps."""

SKETCH = 1 / 5
"""The share of all epochs that a round may take. Training then continues from the best round with
the remaining epochs. With an eighth, rounds end before they show which is better."""

SMALL_COEFS = 0.3
"""The factor of the first coefs of the first layer. At 0.1 some fits end where only the linear part
is learnt; at 1 irrelevant inputs cost more."""

LEAST_FACTOR = 1e-3
"""The smallest factor of an input. The root mean square of all factors is 1."""

BATCH_SIZE = 50
"""The most rows of a minibatch, """

LEAST_BATCHES = 40
"""and the fewest minibatches of an epoch that ``batch_size="auto"`` makes."""

FASTER = 2.0
"""The learning rate, in units of `learning_rate_init`. The mean of the weights allows for more."""

STILL_RISES = 0.01
"""Training has not converged if the last epochs have raised the score by more."""


@dataclass
class LayerwiseAdam(Adam):
    """Adam with one second moment for the coefs and one for the biases of each layer.

    The inputs are multiplied by a factor each. What the monitor judges is the running mean of the
    weights, for the inputs without these factors.

    Parameters
    ----------
    network : Network
    penalty : float
        The derivative of the penalty with respect to a coef is this times the coef.
    factors : array of shape (n_features,)
        The factors of the inputs.
    """

    _: KW_ONLY
    network: Network
    penalty: float
    factors: FloatArray
    mean: FloatArray | None = field(default=None, init=False)
    n_averaged: int = field(default=1, init=False)

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Descend epoch by epoch until the monitor sees no improvement."""
        self.n_averaged = -(-objective.rows.n_rows // self.batch_size)
        return super().minimize(objective, w, monitor)

    def step(self, w: FloatArray, g: FloatArray, size: int) -> None:
        """Update ``w`` by the gradient ``g``, which is overwritten."""
        if self.m is None or self.v is None or self.mean is None:
            self.m, self.mean = np.zeros_like(w), w.copy()
            self.v = np.zeros(2 * len(self.network.shapes))
        rate = self.next_rate()
        if self.penalty:
            for W, G in zip(self.network.layers(w), self.network.layers(g), strict=True):
                G[1:] += self.penalty * W[1:]
        for i, G in enumerate(self._groups(g)):
            self.v[i] += (1 - self.beta_2) * (float(np.vdot(G, G)) / G.size - self.v[i])

        g *= 1 - self.beta_1
        self.m *= self.beta_1
        self.m += g

        np.copyto(g, self.m)
        steps = rate / (np.sqrt(self.v) + self.epsilon)
        for G, step in zip(self._groups(g), steps.tolist(), strict=True):
            G *= step
        w -= g

        np.subtract(w, self.mean, out=g)
        g /= self.n_averaged
        self.mean += g

    def _groups(self, w: FloatArray) -> list[FloatArray]:
        """The biases and the coefs of each layer."""
        return [part for W in self.network.layers(w) for part in (W[:1], W[1:])]

    def judged(self, w: FloatArray) -> FloatArray:
        """The mean of the last weights, for the inputs without their factors."""
        mean = (w if self.mean is None else self.mean).astype(self.factors.dtype)
        self.network.layers(mean)[0][1:] *= self.factors[:, np.newaxis]
        return mean


@dataclass
class Round:
    """A round of training.

    Attributes
    ----------
    rule : LayerwiseAdam
    objective : Objective
        Over the inputs with their factors.
    w : array of shape (n_parameters,)
        The weights for these inputs.
    monitor : Monitor
    """

    rule: LayerwiseAdam
    objective: Objective
    w: FloatArray
    monitor: Monitor

    def run(self, n_epochs: int, monitor: Monitor) -> None:
        """Train for some epochs."""
        self.monitor, self.rule.max_iter = monitor, n_epochs
        self.w = self.rule.minimize(self.objective, self.w, monitor)

    @property
    def best_weights(self) -> FloatArray:
        """Those with the best score, for the inputs without their factors."""
        best = self.monitor.best_weights  # None if no score is a number
        return self.rule.judged(self.w) if best is None else best

    def next_factors(self) -> FloatArray:
        """The factors of the inputs for the next round."""
        objective = self.objective
        w = self.best_weights.astype(objective.rows.dtype)
        objective.network.layers(w)[0][1:] /= self.rule.factors[:, np.newaxis]
        factors = self.rule.factors * relevances(objective, w)
        return np.maximum(factors / np.sqrt(np.mean(factors**2)), LEAST_FACTOR)


@dataclass
class HeldOutDescent(Solver):
    """Rounds of minibatch descent. The held-out rows choose the best.

    Parameters
    ----------
    learning_rate_init, batch_size, beta_1, beta_2, epsilon
        As in :class:`LayerwiseAdam`.
    max_iter : int
        Most epochs of all rounds together.
    rng : RandomState or None
        Shuffles the rows.
    """

    small_coefs: ClassVar[float] = SMALL_COEFS

    learning_rate_init: float
    batch_size: int
    max_iter: int
    rng: RandomState | None
    beta_1: float
    beta_2: float
    epsilon: float

    @property
    def advice(self) -> str:
        """What to change when training diverges."""
        return f"Lower learning_rate_init (now {self.learning_rate_init:g})."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Make the rounds, go on with the best, and return the weights with the best score."""
        attempts: Attempts[Round] = Attempts(monitor, lambda _, attempt: attempt.best_score)
        with attempts.until_interrupted():
            n_left = self._rounds(objective, w, attempts)
            best = attempts.found
            assert best is not None
            if n_left and not (attempts.enough or best.monitor.finished):
                attempt = attempts.begin("round", "the best round", best.monitor.n_iter + n_left)
                attempt.go_on_from(best.monitor)
                self._run(best, n_left, attempt, attempts)
        best = attempts.close()
        monitor.converged |= not _still_rises(monitor)
        return best.best_weights

    def _rounds(self, objective: Objective, w: FloatArray, attempts: Attempts[Round]) -> int:
        """Make the rounds, as long as they are better. Return how many epochs are left."""
        n_left, n_sketch, weighs = self.max_iter, max(1, int(SKETCH * self.max_iter)), True
        factors = np.ones(objective.network.layer_sizes[0], w.dtype)
        for i, strength in enumerate(STRENGTHS, 1):
            best, n_epochs = attempts.found, min(n_left, n_sketch)
            if best is not None:
                factors = best.next_factors() if weighs else best.rule.factors
            attempt = attempts.begin("round", f"round {i} of {len(STRENGTHS)}", n_epochs)
            this = self._round(objective, w, factors, strength, attempt)
            self._run(this, n_epochs, attempt, attempts)
            n_left -= attempt.n_iter
            if not n_left or attempts.enough:
                break
            if attempts.found is not this:
                if strength > 0:
                    break
                weighs = False  # the inputs matter about alike
        return n_left

    def _round(
        self,
        objective: Objective,
        w: FloatArray,
        factors: FloatArray,
        strength: float,
        monitor: Monitor,
    ) -> Round:
        """A round from these weights. It computes z-scores in float32, for speed."""
        network, units = objective.network, objective.rows.units
        inputs = replace(units.inputs, scale=units.inputs.scale / factors)
        rows = objective.rows.in_units(replace(units, inputs=inputs, are_raw=False))
        rows = rows if units.are_raw else rows.in_dtype(np.float32)
        first = w.astype(rows.dtype)
        network.layers(first)[0][1:] *= self.small_coefs
        rule = LayerwiseAdam(
            self.beta_1,
            self.beta_2,
            self.epsilon,
            learning_rate_init=self.learning_rate_init,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            rng=self.rng,
            network=network,
            penalty=strength / rows.total_weight,
            factors=factors,
        )
        return Round(rule, objective.over(rows), first, monitor)

    @staticmethod
    def _run(this: Round, n_epochs: int, monitor: Monitor, attempts: Attempts[Round]) -> None:
        """Train, also up to an interruption from the keyboard, and end the attempt."""
        try:
            this.run(n_epochs, monitor)
        except KeyboardInterrupt:
            if monitor.n_iter:
                attempts.end(monitor, this, this.best_weights)
            raise
        attempts.end(monitor, this, this.best_weights)


@dataclass
class HeldOutContinuation(HeldOutDescent):
    """Rounds that continue from given weights, which are kept if no round is better.

    The given weights already reflect how far each input matters, so the inputs are not weighted
    again, and no coefs are made small. Each strength of the penalty has one round, until one is no
    better.
    """

    small_coefs: ClassVar[float] = 1.0

    def _rounds(self, objective: Objective, w: FloatArray, attempts: Attempts[Round]) -> int:
        """Make the rounds, as long as they are better. Return how many epochs are left."""
        strengths = sorted(set(STRENGTHS))
        factors = np.ones(objective.network.layer_sizes[0], w.dtype)
        self._judge(objective, w, factors, attempts)
        n_left, n_sketch = self.max_iter, max(1, int(SKETCH * self.max_iter))
        for i, strength in enumerate(strengths, 1):
            if not n_left or attempts.enough:
                break
            n_epochs = min(n_left, n_sketch)
            attempt = attempts.begin("round", f"round {i} of {len(strengths)}", n_epochs)
            this = self._round(objective, w, factors, strength, attempt)
            self._run(this, n_epochs, attempt, attempts)
            n_left -= attempt.n_iter
            if attempts.found is not this and strength > 0:
                break
        return n_left

    def _judge(
        self, objective: Objective, w: FloatArray, factors: FloatArray, attempts: Attempts[Round]
    ) -> None:
        """Let the given weights count as a round, which is over."""
        attempt = attempts.begin("round", "the given weights", 1)
        this = self._round(objective, w, factors, 0.0, attempt)
        attempt.record(w.astype(factors.dtype), objective.value(w))
        attempt.n_stalled = attempt.n_iter_no_change + 1
        attempt.converged = True
        attempts.end(attempt, this, this.best_weights)


def _still_rises(monitor: Monitor) -> bool:
    """Whether the last epochs still improved the score."""
    scores = np.array(monitor.validation_scores)
    n_before = len(scores) - min(monitor.n_iter_no_change, len(scores))
    before = scores[: int(n_before)].max(initial=-np.inf)
    return bool(scores.max() > before + STILL_RISES)
