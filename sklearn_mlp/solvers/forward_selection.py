"""Choose some of many inputs before training, by forward selection.

The evidence can find out which inputs matter, by a precision for each. But that ascent begins with
all inputs. The network then fits the noise in all before the precisions have changed, and stays
there. The fewer rows there are, the more this costs. So training also begins with a few inputs, and
the evidence decides between the results.

The inputs are chosen by a linear regression on functions of them. These are the input itself, for a
line; cosines of its rank, for bends, steps and waves; and products of two inputs:

    x_j,    cos(π k u_j) with u_j = rank of x_j among the rows / n and k = 1 … 4,    x_i x_j.

One function after the other is added, the one that lowers the squared error most (orthogonal
matching pursuit; Pati, Rezaiifar & Krishnaprasad, 1993). The number of functions is the one with
the lowest extended Bayesian information criterion (Chen & Chen, 2008). For m of D functions, n rows
and K outputs it is

    EBIC = n Σ_k log RSS_k + m K log n + 2 log C(D, m),

where products count apart. The last term is the cost of the choice: among many inputs that do not
matter, some seem to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from scipy.special import gammaln

from .._typing import BoolArray, FloatArray
from ..rows import Block, Rows

LEAST_INPUTS = 10
"""Of fewer inputs than this, none are chosen."""

MOST_CHOSEN = 0.5
"""If a larger share of the inputs is chosen, the choice saves nothing, and is not used."""

COSINES = 4
"""Cosines of the rank of an input."""

MOST_FUNCTIONS = 60
"""The most functions that are added."""

NO_BETTER = 5
"""So many functions without a lower criterion end the selection."""

PRODUCTS_COST, MOST_INPUTS = 1e9, 1_000
"""Products of all pairs are looked at if their number, times that of the rows (or times 1,000 if
they are fewer), is smaller. Otherwise one of the two inputs is a selected one."""

NOTHING_NEW = 1e-6
"""A function is left out if a smaller share of its variance is new."""

NOTHING_LEFT = 1e-12
"""A target of which a smaller share of the variance is left is explained."""


def chosen_inputs(rows: Rows) -> BoolArray | None:
    """The inputs that matter, if they are few of many.

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    array of bool of shape (n_features,), or None
        None if there are few inputs, or if the choice is none or most of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mlp.rows import Rows
    >>> from sklearn_mlp.solvers.forward_selection import chosen_inputs
    >>> random = np.random.RandomState(0)
    >>> X = random.randn(100, 20)
    >>> y = np.sin(2 * X[:, [3]]) + X[:, [7]] + 0.1 * random.randn(100, 1)
    >>> np.flatnonzero(chosen_inputs(Rows(X, y)))
    array([3, 7])
    """
    varies = rows.units.inputs.varies
    n_inputs = varies.sum()
    if n_inputs < LEAST_INPUTS:
        return None
    chosen = np.zeros(len(varies), bool)
    chosen[selected(rows.at_hand().whole())] = True
    n_chosen = chosen.sum()
    return chosen if 0 < n_chosen <= MOST_CHOSEN * n_inputs else None


def selected(block: Block) -> list[int]:
    """The inputs of the selected functions, in ascending order.

    Functions of one input are added first. Then products are added, next to which others of one
    input may become visible, and so on.

    Parameters
    ----------
    block : Block
        All rows.
    """
    candidates = Candidates.of(block)
    best = candidates.none_selected(block.targets.T)
    while True:
        before = best
        for kind in (candidates.best, candidates.best_product):
            best = _extended(best, candidates, kind)
        if best is before:
            return sorted(best.inputs)


def _extended(
    best: "Selection", candidates: "Candidates", next_of: "Callable[[Selection], Found | None]"
) -> "Selection":
    """The selection with more functions of one kind, or itself if none of them are better."""
    selection, n_tried = best, 0
    while n_tried < NO_BETTER and sum(selection.numbers) < candidates.most:
        found = next_of(selection) if selection.residuals.any() else None
        if found is None:
            break
        selection, n_tried = candidates.added(selection, found), n_tried + 1
        if selection.criterion < best.criterion:
            best, n_tried = selection, 0
    return best


class Found(NamedTuple):
    """A function, as a column of length 1, and its input or its two inputs."""

    function: FloatArray
    inputs: tuple[int, ...]


class Selection(NamedTuple):
    """Some functions, and what they leave.

    Attributes
    ----------
    inputs : set of int
        Their inputs.
    numbers : tuple of int
        How many are functions of one input, and how many are products of two.
    directions : array of shape (n_rows, n_functions)
        Orthonormal columns that span the functions.
    residuals : array of shape (n_rows, n_outputs)
        Those of each target, which had length 1.
    left : array of shape (n_candidates,)
        The share of each function of one input that is new.
    criterion : float
        The EBIC.
    """

    inputs: frozenset[int]
    numbers: tuple[int, int]
    directions: FloatArray
    residuals: FloatArray
    left: FloatArray
    criterion: float

    def explains_most(self, falls: FloatArray) -> int:
        """Which of some functions would leave least, by how much each lowers the squares.

        Parameters
        ----------
        falls : array of shape (n_functions, n_outputs)
        """
        rest = np.maximum(np.sum(self.residuals**2, axis=0) - falls, NOTHING_LEFT)
        return int(np.argmin(np.log(rest).sum(axis=1)))


@dataclass(frozen=True)
class Candidates:
    """The functions of one input, and the products of two, on some rows.

    Attributes
    ----------
    functions : array of shape (n_rows, n_functions)
        Those of one input, of length 1. Like all columns here, they are centred, and each row is
        multiplied by the root of its weight.
    inputs : array of shape (n_rows, n_inputs)
        The inputs, the same way.
    s : array of shape (n_rows,)
        The weights of the rows.
    """

    functions: FloatArray
    inputs: FloatArray
    s: FloatArray

    @classmethod
    def of(cls, block: Block) -> Self:
        """Those on the rows of a block."""
        n_rows = block.inputs.shape[1]
        s = np.ones(n_rows) if block.weights is None else block.weights.astype(np.float64)
        functions = _unit(np.hstack([_functions(x, s) for x in block.inputs[1:]]), s)
        return cls(functions, functions[:, :: 1 + COSINES], s)

    @property
    def most(self) -> int:
        """The most functions that may be selected."""
        return int(min(MOST_FUNCTIONS, self.s.sum() / 3))

    def none_selected(self, targets: FloatArray) -> Selection:
        """No function yet, for these targets of shape (n_rows, n_outputs)."""
        residuals = _unit(targets, self.s)
        residuals = residuals[:, residuals.any(axis=0)]
        left = np.sum(self.functions**2, axis=0)
        return Selection(frozenset(), (0, 0), np.empty((len(self.s), 0)), residuals, left, 0.0)

    def best(self, selection: Selection) -> Found | None:
        """The function of one input that explains most."""
        new = selection.left > NOTHING_NEW
        lengths = np.where(new, selection.left, np.inf)[:, np.newaxis]
        j = selection.explains_most((self.functions.T @ selection.residuals) ** 2 / lengths)
        return Found(self.functions[:, j], (j // (1 + COSINES),)) if new[j] else None

    def best_product(self, selection: Selection) -> Found | None:
        """The product of two inputs that explains most; among many inputs, one is selected."""
        n_rows, d = self.inputs.shape
        every = max(n_rows, MOST_INPUTS) * d**2 <= PRODUCTS_COST
        first = np.arange(d) if every else np.array(sorted(selection.inputs), np.intp)
        if d < 2 or not len(first):
            return None
        root = np.sqrt(self.s)[:, np.newaxis]
        X = self.inputs / root
        means = X[:, first].T @ (self.s[:, np.newaxis] * X)
        squares = (X[:, first].T ** 2) @ (self.s[:, np.newaxis] * X**2) - means**2 / self.s.sum()
        squares[np.arange(len(first)), first] = 0
        lengths = np.where(squares > NOTHING_NEW * squares.max(), squares, np.inf)
        falls = [
            (X[:, first].T @ (root * r[:, np.newaxis] * X)) ** 2 / lengths
            for r in selection.residuals.T
        ]
        i, k = divmod(selection.explains_most(np.stack(falls, axis=-1).reshape(-1, len(falls))), d)
        j = int(first[i])
        if not np.isfinite(lengths[i, k]):
            return None
        return Found(_unit(X[:, [j]] * X[:, [k]], self.s)[:, 0], (j, k))

    def added(self, selection: Selection, found: Found) -> Selection:
        """The selection with one more function."""
        function, inputs = found
        for _ in range(2):  # once more, against rounding
            function = function - selection.directions @ (selection.directions.T @ function)
        length = np.linalg.norm(function)
        direction = function / length if length**2 > NOTHING_NEW else np.zeros_like(function)
        residuals = selection.residuals - np.outer(direction, direction @ selection.residuals)
        rest = np.sum(residuals**2, axis=0)
        residuals[:, rest <= NOTHING_LEFT] = 0
        alone, products = selection.numbers
        numbers = (alone + 1, products) if len(inputs) == 1 else (alone, products + 1)
        return Selection(
            selection.inputs | set(inputs),
            numbers,
            np.column_stack([selection.directions, direction]),
            residuals,
            selection.left - (direction @ self.functions) ** 2,
            self._criterion(numbers, np.maximum(rest, NOTHING_LEFT)),
        )

    def _criterion(self, numbers: tuple[int, int], rest: FloatArray) -> float:
        """The EBIC of so many functions of each kind, which leave these squares."""
        n, d = self.s.sum(), np.count_nonzero(self.inputs.any(axis=0))
        fit = n * np.log(rest).sum()
        for m, D in zip(numbers, ((1 + COSINES) * d, d * (d - 1) // 2), strict=True):
            sets = gammaln(D + 1) - gammaln(m + 1) - gammaln(D - m + 1)
            fit += m * len(rest) * np.log(n) + 2 * sets
        return float(fit)


def _functions(x: FloatArray, s: FloatArray) -> FloatArray:
    """An input and the cosines of its rank, of shape (n_rows, 1 + COSINES).

    The rank of equal values is the mean of theirs. A weight counts as so many equal rows.
    """
    _, inverse = np.unique(x, return_inverse=True)
    weights = np.bincount(inverse, s)
    ranks = (np.cumsum(weights) - weights / 2) / weights.sum()
    waves = np.cos(np.pi * ranks[inverse, np.newaxis] * np.arange(1, COSINES + 1))
    return np.column_stack([x, waves])


def _unit(columns: FloatArray, s: FloatArray) -> FloatArray:
    """Columns with weighted mean 0 and length 1, times √s; zeros where they are constant."""
    columns = columns.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        columns = columns - s @ columns / s.sum()
        columns *= np.sqrt(s)[:, np.newaxis]
        largest = np.abs(columns).max(axis=0)
        columns /= np.where(largest > 0, largest, 1)
        lengths = np.linalg.norm(columns, axis=0)
    return np.where(lengths > 0, columns / np.where(lengths > 0, lengths, 1), 0)
