"""How well predictions with error bars fit: sums over rows, each score with its standard error.

With errors e, standard deviations s of the error bars and n rows,

    RMSE = √mean(e²),    R² = 1 - mean(e²) / var(y),
    log density = mean(-½ (e/s)² - log s - ½ log 2π),    coverage = share of |e| < 1.96 s.

The sums of blocks of rows add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from .._typing import FloatArray
from ..overflow import unwarned
from ..standardize import Moments

NORMAL_95 = 1.96
"""So many standard deviations hold 95 % of a normal distribution."""

HELD_OUT, CROSS_VALIDATED = "held out", "cross-validated"
"""The groups of rows that are scored."""

N_FURTHEST = 5
"""The number of rows that are shown because they are furthest off."""


class Score(NamedTuple):
    """A score and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Tally:
    """The sums over rows from which the scores are computed.

    Attributes
    ----------
    unit : float
        Errors are counted in this unit, the deviation of the target. So their squares do not
        overflow.
    sums : array
        Of e², e⁴, the log density, its square, and of 1 where the interval holds the target.
    y : Moments
        The moments of the target, in that unit.
    """

    unit: float
    sums: FloatArray
    y: Moments

    @classmethod
    def of(cls, y: FloatArray, mean: FloatArray, std: FloatArray, unit: float) -> Self:
        """The sums over some rows, with at least one."""
        with unwarned():  # a target may be 1e200 error bars away
            e, s = (y - mean) / unit, np.maximum(std / unit, np.finfo(np.float64).tiny)
            z = e / s
            log_density = -0.5 * z**2 - np.log(s) - np.log(unit) - 0.5 * np.log(2 * np.pi)
            parts = (e**2, e**4, log_density, log_density**2, np.abs(z) < NORMAL_95)
            sums = np.array([np.sum(part) for part in parts])
        return cls(unit, sums, Moments.of((y / unit)[np.newaxis]))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.unit, self.sums + other.sums, self.y + other.y)

    @property
    def n(self) -> int:
        """The number of rows."""
        return round(self.y.weight)

    def scores(self) -> dict[str, Score]:
        """R², RMSE, log density and coverage, each with its standard error."""
        with unwarned():
            return self._scores()

    def _scores(self) -> dict[str, Score]:
        squares, fourths, density, densities, inside = self.sums / self.n
        mse = Score(squares, self._error(squares, fourths))
        rmse = np.sqrt(squares)
        variance = np.square(self.y.std[0])
        r2 = Score(0.0, 0.0)
        if variance:  # infinite beside a target of 1e300, and R² then NaN
            r2 = Score(float(1 - mse.value / variance), float(mse.error / variance))
        return {
            "R²": r2,
            "RMSE": Score(
                float(rmse * self.unit),
                float(mse.error / (2 * rmse) * self.unit) if 0 < rmse < np.inf else float(rmse),
            ),
            "log density": Score(float(density), self._error(density, densities)),
            "in 95 %": Score(float(inside), self._error_of_share(inside)),
        }

    def _error_of_share(self, share: float) -> float:
        """The standard error of a share, which is not 0 where all or none are."""
        p = (share * self.n + 1) / (self.n + 2)
        return float(np.sqrt(p * (1 - p) / self.n))

    def _error(self, mean: float, mean_of_squares: float) -> float:
        """The standard error of a mean."""
        with np.errstate(over="ignore", invalid="ignore"):
            variance = mean_of_squares - np.square(mean)
        return float(np.sqrt(max(variance, 0.0) / self.n)) if np.isfinite(variance) else np.inf


MODELS = ("this network", "a linear model", "the mean")
"""The models that are compared, in the order of the report."""


@dataclass
class Comparison:
    """How well several models predict the same rows, and the rows furthest off.

    Attributes
    ----------
    tallies : dict of str to Tally
        For each of MODELS.
    furthest : DataFrame
        The rows whose target is the most error bars away: its ``place``, ``y``, ``mean``, ``std``
        and, if there is one, its ``name``.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    furthest: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def of(
        cls,
        y: FloatArray,
        predictions: Mapping[str, tuple[FloatArray, FloatArray]],
        unit: float,
        places: Any,
        names: Any = None,
    ) -> Self:
        """Compare the predictions (means and standard deviations) of models for some rows.

        Parameters
        ----------
        y : array of shape (n_rows,)
        predictions : dict of str to two arrays of shape (n_rows,)
        unit : float
            The deviation of the target.
        places, names : arrays of shape (n_rows,)
            Where each row is, and what it is called.
        """
        tallies = {k: Tally.of(y, mean, std, unit) for k, (mean, std) in predictions.items()}
        mean, std = predictions[MODELS[0]]
        rows = pd.DataFrame({"place": places, "y": y, "mean": mean, "std": std})
        if names is not None:
            rows["name"] = np.asarray(names, dtype=object)
        return cls(tallies, _furthest(rows))

    def __add__(self, other: Self) -> Self:
        if not self.tallies:
            return other
        if not other.tallies:
            return self
        tallies = {name: tally + other.tallies[name] for name, tally in self.tallies.items()}
        rows = pd.concat([self.furthest, other.furthest], ignore_index=True)
        return type(self)(tallies, _furthest(rows))

    @property
    def n(self) -> int:
        """The number of rows."""
        return self.tallies[MODELS[0]].n

    def as_dict(self) -> dict[str, Any]:
        """The scores as plain numbers, for a file."""
        return {
            "n": self.n,
            "models": {
                model: {name: [s.value, s.error] for name, s in tally.scores().items()}
                for model, tally in self.tallies.items()
            },
        }


def _furthest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose target is the most error bars away."""
    with np.errstate(all="ignore"):
        z = (rows["y"] / rows["std"] - rows["mean"] / rows["std"]).abs().fillna(0.0)
    return rows.loc[z.sort_values(ascending=False, kind="stable").index[:N_FURTHEST]]
