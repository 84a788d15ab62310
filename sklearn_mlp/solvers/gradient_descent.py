"""Gradient descent: over all rows at once, as in the article, and by minibatches.

w ← w - η ∇L(w)
"""

from dataclasses import dataclass, field

import numpy as np

from .._typing import FloatArray
from ..monitor import Monitor
from ..objective import Objective
from .base import Solver
from .minibatch import MinibatchSolver, in_parts


@dataclass
class GradientDescent(Solver):
    """The article's descent: in each epoch, one step of size η down the gradient over all rows.

    Parameters
    ----------
    learning_rate_init : float
        η.
    max_iter : int
        Largest number of epochs.
    """

    learning_rate_init: float
    max_iter: int

    @property
    def advice(self) -> str:
        """What to change when training diverges."""
        return f"Lower learning_rate_init (now {self.learning_rate_init:g})."

    def minimize(self, objective: Objective, w: FloatArray, monitor: Monitor) -> FloatArray:
        """Descend until the monitor sees no improvement.

        The loss of an epoch is measured before its step. One more loss, which is not recorded,
        judges the last step.
        """
        for _ in range(self.max_iter):
            monitor.begin_iteration()
            loss, g = objective.value_and_gradient(w)
            monitor.record(w, loss)
            if monitor.stalled or monitor.stopped:
                monitor.converged = True
                break
            g *= self.learning_rate_init
            w -= g
        else:
            monitor.refuse_divergence(w, objective.value(w))
        return w


@dataclass
class StochasticGradientDescent(MinibatchSolver):
    """Gradient descent by minibatches, with momentum.

        u ← μ u - η g,    w ← w + u               (momentum)
                          w ← w + μ u - η g       (Nesterov's)

    Parameters
    ----------
    learning_rate : {"constant", "invscaling", "adaptive"}
        η is constant; or it falls as ``learning_rate_init / (samples seen + 1) ** power_t``; or it
        is divided by 5 at each stall, until it is 1e-6.
    power_t : float
        Exponent of the "invscaling" schedule.
    momentum : float
        μ.
    nesterovs_momentum : bool
        Whether the momentum is Nesterov's.

    Attributes
    ----------
    n_stalls : int
        How often an adaptive rate has been divided.
    velocity : array or None
        u.
    """

    learning_rate: str
    power_t: float
    momentum: float
    nesterovs_momentum: bool

    n_stalls: int = field(default=0, init=False)
    velocity: FloatArray | None = field(default=None, init=False)

    @property
    def rate(self) -> float:
        """The present η."""
        if self.learning_rate == "invscaling":
            return self.learning_rate_init / (self.samples_seen + 1) ** self.power_t
        return self.learning_rate_init / 5**self.n_stalls

    def step(self, w: FloatArray, g: FloatArray, size: int) -> None:
        """Update ``w`` by the gradient ``g``, which is overwritten, in parts of that size."""
        if self.velocity is None:
            self.velocity = np.zeros_like(w)
        rate = self.rate
        for w_, g_, u in in_parts(size, w, g, self.velocity):
            g_ *= rate
            u *= self.momentum
            u -= g_
            if self.nesterovs_momentum:
                w_ += self.momentum * u
                w_ -= g_
            else:
                w_ += u

    def lower_rate(self) -> bool:
        """Divide an adaptive rate by 5, until it is 1e-6. Return whether it was divided."""
        if self.learning_rate != "adaptive" or self.rate <= 1e-6:
            return False
        self.n_stalls += 1
        return True
