"""Adam (Kingma & Ba, 2015, algorithm 1), updated in place on the whole flat vector.

m ← β₁ m + (1 - β₁) g,    v ← β₂ v + (1 - β₂) g²
w ← w - η √(1 - β₂ᵗ) / (1 - β₁ᵗ)  m / (√v + ε)
"""

from dataclasses import dataclass, field

import numpy as np

from .._typing import FloatArray
from .minibatch import MinibatchSolver, in_parts


@dataclass
class Adam(MinibatchSolver):
    """Adaptive moment estimation.

    Parameters
    ----------
    beta_1, beta_2 : float
        Decay rates of the running means of the gradient and of its square.
    epsilon : float
        Keeps the division finite.
    """

    beta_1: float
    beta_2: float
    epsilon: float
    t: int = field(default=0, init=False)
    m: FloatArray | None = field(default=None, init=False)
    v: FloatArray | None = field(default=None, init=False)

    def next_rate(self) -> float:
        """The rate of the next step, with the corrections for the bias of m and v."""
        self.t += 1
        corrections = (1 - self.beta_2**self.t) ** 0.5 / (1 - self.beta_1**self.t)
        return self.learning_rate_init * corrections

    def step(self, w: FloatArray, g: FloatArray, size: int) -> None:
        """Update ``w`` by the gradient ``g``, which is overwritten, in parts of that size."""
        if self.m is None or self.v is None:
            self.m, self.v = np.zeros_like(w), np.zeros_like(w)
        rate = self.next_rate()
        for w_, g_, m, v in in_parts(size, w, g, self.m, self.v):
            scratch = np.multiply(g_, g_)
            scratch *= 1 - self.beta_2
            v *= self.beta_2
            v += scratch

            g_ *= 1 - self.beta_1
            m *= self.beta_1
            m += g_

            np.sqrt(v, out=scratch)
            scratch += self.epsilon
            np.divide(m, scratch, out=scratch)
            scratch *= rate
            w_ -= scratch
