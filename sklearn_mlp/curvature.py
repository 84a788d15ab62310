"""The curvature of F, factorised: by the parameters, or by the rows if these are fewer.

Near given weights the objective of second-order training, F, is a parabola with the curvature

    A = GᵀG + diag(p),

where G has one row for each row of the data and output: the derivatives of the prediction by the P
parameters, times √(s β) (for other losses than the squared error √(s c β)). p are the precisions of
the prior, of which some may be 0. A step solves a system with A, the damping added to p. The
posterior has the covariance A⁻¹.

If there are more rows than parameters, :class:`DenseCurvature` keeps GᵀG, and its Cholesky factor
takes P³/3 multiplications. With R rows, fewer than parameters, :class:`RowCurvature` keeps G. Then
a factor of an R x R matrix is enough (the Woodbury identity), at R² P multiplications,

    A⁻¹ = D - D Gᵀ K⁻¹ G D,    D = diag(1/p),    K = I + G D Gᵀ.

Parameters with a flat prior, p = 0, are not in D. They form a border of a few rows and columns,
with the Schur complement S = G_b K⁻¹ G_bᵀ, where G_b are the columns of G that belong to them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import dsyrk, dtrsm
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtpttr, dtrtri, dtrttp

from ._typing import BoolArray, FloatArray, IntArray
from .overflow import overflow

Solve = Callable[[FloatArray], FloatArray]
"""Maps a vector b to the x of a system A x = b."""


LEAST_DAMPING = 1e-10
"""The smallest damping by rows, in units of the mean curvature. With less, D is lost in
rounding."""

RIDGES = 10.0 ** np.arange(-15, 0)
"""By what shares the diagonals may grow where rounding has made a matrix indefinite."""


LOST = 1e-14
"""An eigenvalue of normal equations that is smaller, relative to the largest, is lost in their
rounding."""


def step_cost(n_rows: int, n_parameters: int, n_outputs: int) -> int:
    """Multiplications of a step, roughly: of the products and of the factor."""
    n_equations = n_rows * n_outputs
    if n_equations < n_parameters:
        return n_equations**2 * (n_parameters + n_equations)
    return n_parameters**2 * (n_rows + n_parameters)


def diagonal(A: FloatArray) -> FloatArray:
    """The diagonal of a matrix, as a view."""
    return np.einsum("ii->i", A)


def _touched(squares: FloatArray) -> BoolArray:
    """Where the derivatives by a parameter are not all 0, by their sum of squares.

    They are 0 for the weights of a column that does not vary. If all are 0, all count.
    """
    touched: BoolArray = squares > 0
    return touched if touched.any() else ~touched


class Factor(Protocol):
    """A, factorised.

    Attributes
    ----------
    log_determinant : float
        log |A|.
    """

    @property
    def log_determinant(self) -> float: ...  # noqa: D102  # described with the class

    def variance(self, J: FloatArray) -> FloatArray:
        """j A⁻¹ jᵀ for each column j of ``J`` (n_parameters, n_rows), shape (n_rows,)."""
        ...

    def covariance_root(self) -> FloatArray:
        """M of A⁻¹ = M Mᵀ, of shape (n_parameters, n_parameters)."""
        ...


@dataclass(frozen=True, eq=False)
class FactorOfSome:
    """The factor of A if the data say nothing about some parameters.

    Parameters
    ----------
    factor : Factor
        Of the other parameters.
    kept : array of int
        The positions of these.
    prior : array of shape (n_parameters,)
        The precision of the prior of each parameter.
    """

    factor: Factor
    kept: IntArray
    prior: FloatArray

    @property
    def _rest(self) -> IntArray:
        return np.setdiff1d(np.arange(len(self.prior)), self.kept)

    @property
    def log_determinant(self) -> float:
        """log |A|."""
        return self.factor.log_determinant + float(np.log(self.prior[self._rest]).sum())

    def variance(self, J: FloatArray) -> FloatArray:
        """j A⁻¹ jᵀ for each column j of ``J`` (n_parameters, n_rows), shape (n_rows,)."""
        rest = self._rest
        return self.factor.variance(J[self.kept]) + (1 / self.prior[rest]) @ J[rest] ** 2

    def covariance_root(self) -> FloatArray:
        """M of A⁻¹ = M Mᵀ, of shape (n_parameters, n_parameters)."""
        rest, M = self._rest, np.zeros((len(self.prior), len(self.prior)))
        M[rest, rest] = 1 / np.sqrt(self.prior[rest])
        M[np.ix_(self.kept, self.kept)] = self.factor.covariance_root()
        return M


class Factored(NamedTuple):
    """The factor of A, and how far the data determine the parameters.

    Attributes
    ----------
    factor : Factor
    determined : array of shape (n_parameters,)
        1 - p_j (A⁻¹)_jj: how far the data determine each parameter, from 0 to 1.
    of_output : array of shape (n_outputs,)
        β_k tr(A⁻¹ H_k): how many parameters each output's data determine.
    """

    factor: Factor
    determined: FloatArray
    of_output: FloatArray


class Curvature(Protocol):
    """A, from the sums over the rows and the precisions.

    Attributes
    ----------
    mean : float
        The mean of the diagonal of A, over the parameters of which the data say something.
    """

    @property
    def mean(self) -> float: ...  # noqa: D102  # described with the class

    def damped(self, damping: FloatArray) -> Solve | None:
        """How to solve systems with A + diag(damping); None if it is not definite."""
        ...

    def factored(self) -> Factored:
        """The factor, without damping."""
        ...


# In the parameters ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DenseCurvature:
    """A of shape (n_parameters, n_parameters).

    Parameters
    ----------
    A : array of shape (n_parameters, n_parameters)
        The lower triangle, in Fortran order.
    prior : array of shape (n_parameters,)
        p.
    beta : array of shape (n_outputs,)
    H : sequence of arrays of shape (n_parameters, n_parameters)
        GᵀG = Σ_k β_k H_k.
    """

    A: FloatArray
    prior: FloatArray
    beta: FloatArray
    H: Sequence[FloatArray]

    @property
    def mean(self) -> float:
        """The mean of the diagonal of A, over the parameters of which the data say something."""
        squares = np.sum([diagonal(H_k) for H_k in self.H], axis=0)
        return float(np.abs(diagonal(self.A))[_touched(squares)].mean())

    def damped(self, damping: FloatArray) -> Solve | None:
        """How to solve systems with A + diag(damping); None if it is not definite."""
        damped = self.A.copy(order="F")
        diagonal(damped)[...] += damping
        L, not_definite = dpotrf(damped, lower=1, overwrite_a=1, clean=0)
        if not_definite:
            return None

        def solve(b: FloatArray) -> FloatArray:
            x: FloatArray = dpotrs(L, b, lower=1)[0]
            return x

        return solve

    def factored(self) -> Factored:
        """The factor, without damping."""
        scale, L, inverse = factored_in_own_scale(self.A)
        determined = np.clip(1 - self.prior * scale**2 * inverse.diagonal(), 0, 1)
        if len(self.beta) == 1:
            of_output = np.array([determined.sum()])
        else:  # tr(A⁻¹ H_k) from lower triangles: what is off the diagonal counts twice
            twice = np.tril(2 * inverse, -1) + np.diag(inverse.diagonal())
            twice *= scale * scale[:, np.newaxis]
            of_output = self.beta * [np.vdot(twice, H_k) for H_k in self.H]
        return Factored(DenseFactor(L), determined, of_output)


def factored_in_own_scale(A: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """D, L and (D A D)⁻¹ of A = L Lᵀ, where D scales the diagonal of A to 1.

    A may have precisions of 1e10 for dead weights next to 1e-3. Without the scaling, rounding
    errors of the first would be larger than the others. Only the lower triangles are used and made.
    The smallest multiple of I that makes D A D definite to rounding is added.
    """
    curvature = diagonal(A)
    scale = 1 / np.sqrt(np.where(curvature > 0, curvature, 1))
    scaled = A * scale
    scaled *= scale[:, np.newaxis]
    ridge = 0.0
    while True:
        damped = scaled.copy(order="F")
        diagonal(damped)[...] += ridge
        L, not_definite = dpotrf(damped, lower=1, overwrite_a=1, clean=1)
        if not np.isfinite(L.diagonal()).all():
            raise overflow("second derivatives", A.dtype)
        if not not_definite:
            break
        ridge = max(10 * ridge, 1e-15)
    inverse = dpotri(L, lower=1)[0]
    L /= scale[:, np.newaxis]
    return scale, L, inverse


@dataclass(frozen=True, eq=False)
class DenseFactor:
    """The Cholesky factor L, lower triangular, of A = L Lᵀ."""

    L: FloatArray

    def __getstate__(self) -> dict[str, Any]:
        """L without the triangle of zeros, which is half of it."""
        return {"order": len(self.L), "packed": dtrttp(self.L, uplo="L")[0]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        L, _ = dtpttr(state["order"], state["packed"], uplo="L")
        object.__setattr__(self, "L", np.asfortranarray(np.tril(L)))

    @property
    def log_determinant(self) -> float:
        """log |A|."""
        return 2 * float(np.log(self.L.diagonal()).sum())

    def variance(self, J: FloatArray) -> FloatArray:
        """j A⁻¹ jᵀ for each column j of ``J`` (n_parameters, n_rows), shape (n_rows,)."""
        v = dtrsm(1.0, self.L, J.T, side=1, lower=1, trans_a=1)  # J.T needs no copy in order
        return np.einsum("np,np->n", v, v)

    def covariance_root(self) -> FloatArray:
        """M = L⁻ᵀ of A⁻¹ = M Mᵀ, of shape (n_parameters, n_parameters)."""
        root: FloatArray = dtrtri(self.L, lower=1)[0].T
        return root


# In the rows ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RowCurvature:
    """A by its rows.

    Parameters
    ----------
    G : array of shape (n_parameters, n_outputs * n_rows)
        Gᵀ: one column for each row, the rows of the first output first.
    prior : array of shape (n_parameters,)
        p.
    n_outputs : int
    """

    G: FloatArray
    prior: FloatArray
    n_outputs: int

    @property
    def mean(self) -> float:
        """The mean of the diagonal of A, over the parameters of which the data say something."""
        squares = np.einsum("pr,pr->p", self.G, self.G)
        return float((squares + self.prior)[_touched(squares)].mean())

    @property
    def flat(self) -> BoolArray:
        """Which parameters form the border: those with a flat prior, if they are few."""
        flat = self.prior == 0
        few = np.count_nonzero(flat) <= self.G.shape[1]
        return flat if few else np.zeros_like(flat)

    def damped(self, damping: FloatArray) -> Solve | None:
        """How to solve systems with A + diag(damping); None if it is not definite."""
        squares = np.einsum("pr,pr->p", self.G, self.G)
        least = LEAST_DAMPING * float(squares[_touched(squares)].mean())
        factor = RowFactor.of(self.G, self.prior + np.maximum(damping, least), self.flat)
        return None if factor is None else lambda b: factor.solve(b[:, np.newaxis])[:, 0]

    def factored(self) -> Factored:
        """The factor, without damping. Only a few parameters may have a flat prior."""
        factor = RowFactor.definite(self.G, self.prior, self.flat)
        determined = factor.determined()
        if self.n_outputs == 1:
            return Factored(factor, determined, np.array([determined.sum()]))
        return Factored(
            factor, determined, factor.of_rows().reshape(self.n_outputs, -1).sum(axis=1)
        )


@dataclass(frozen=True, eq=False)
class RowFactor:
    """The factor of A by its rows.

    Attributes
    ----------
    G : array of shape (n_parameters, n_rows)
        Gᵀ.
    p : array of shape (n_parameters,)
    flat : array of bool of shape (n_parameters,)
        The border.
    L : array of shape (n_rows, n_rows)
        The Cholesky factor of K.
    Y : array of shape (n_rows, n_flat)
        L⁻¹ G_b.
    C : array of shape (n_flat, n_flat)
        The inverse of the Cholesky factor of S = YᵀY + p of the border.
    """

    G: FloatArray
    p: FloatArray
    flat: BoolArray
    L: FloatArray
    Y: FloatArray
    C: FloatArray

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, and L without the triangle of zeros."""
        packed = dtrttp(self.L, uplo="L")[0]
        return {**{k: v for k, v in vars(self).items() if k != "L"}, "packed": packed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "packed" in state:  # models that were saved by earlier versions have the whole L
            L, _ = dtpttr(len(state["Y"]), state["packed"], uplo="L")
            state = {
                **{k: v for k, v in state.items() if k != "packed"},
                "L": np.asfortranarray(np.tril(L)),
            }
        for name, value in state.items():
            object.__setattr__(self, name, value)

    @classmethod
    def definite(cls, G: FloatArray, p: FloatArray, flat: BoolArray) -> "RowFactor":
        """The factor, with the smallest multiples of the diagonals that make it definite.

        K ≥ I is definite, and so is S. But if G is large, I is lost in the rounding of K.

        Raises
        ------
        OverflowedError
            If K overflows.
        """
        for ridge in (0.0, *RIDGES):
            factor = cls.of(G, p, flat, ridge)
            if factor is not None:
                return factor
        raise overflow("second derivatives", G.dtype)

    @classmethod
    def of(
        cls, G: FloatArray, p: FloatArray, flat: BoolArray, ridge: float = 0.0
    ) -> "RowFactor | None":
        """The factor; None if it is not definite. The diagonals grow by the share `ridge`."""
        B = G * np.sqrt(_inverse(p, flat))[:, np.newaxis]
        K = dsyrk(1.0, B.T, lower=1)
        diagonal(K)[...] += 1 + ridge * diagonal(K)
        L, not_definite = dpotrf(K, lower=1, overwrite_a=1, clean=1)
        if not_definite or not np.isfinite(L.diagonal()).all():
            return None
        Y = dtrsm(1.0, L, G[flat].T, lower=1) if flat.any() else np.zeros((len(L), 0))
        S = Y.T @ Y + np.diag(p[flat])
        diagonal(S)[...] *= 1 + ridge
        try:
            C = np.linalg.inv(np.linalg.cholesky(S))
        except np.linalg.LinAlgError:
            return None
        return cls(G, p, flat, L, Y, C)

    @property
    def log_determinant(self) -> float:
        """log |A|."""
        of_rows, of_border = np.log(self.L.diagonal()).sum(), -np.log(self.C.diagonal()).sum()
        return float(np.log(self.p[~self.flat]).sum() + 2 * (of_rows + of_border))

    def solve(self, b: FloatArray) -> FloatArray:
        """The x of A x = b, for each column of ``b`` (n_parameters, n).

        A second pass corrects the rounding errors of the first, where p is small.
        """
        x = self._solve_once(b)
        x += self._solve_once(b - self.p[:, np.newaxis] * x - self.G @ (self.G.T @ x))
        return x

    def _solve_once(self, b: FloatArray) -> FloatArray:
        D = _inverse(self.p, self.flat)[:, np.newaxis]
        t = dtrsm(1.0, self.L, self.G.T @ (D * b), lower=1)
        border = self.C.T @ (self.C @ (b[self.flat] - self.Y.T @ t))
        t = dtrsm(-1.0, self.L, t + self.Y @ border, lower=1, trans_a=1)
        x: FloatArray = D * (b + self.G @ t)
        x[self.flat] = border
        return x

    def determined(self) -> FloatArray:
        """1 - p_j (A⁻¹)_jj for each parameter."""
        B = self.G * np.sqrt(_inverse(self.p, self.flat))[:, np.newaxis]
        V = dtrsm(1.0, self.L, B.T, lower=1)
        border = self.C @ (self.Y.T @ V)
        determined = np.einsum("rp,rp->p", V, V) - np.einsum("bp,bp->p", border, border)
        determined[self.flat] = 1
        return np.clip(determined, 0, 1)

    def of_rows(self) -> FloatArray:
        """g_i A⁻¹ g_iᵀ for each row of G: how many parameters it determines."""
        inverse = dtrtri(self.L, lower=1)[0]
        border = self.C @ (self.Y.T @ inverse)
        left = np.einsum("rs,rs->s", inverse, inverse) - np.einsum("bs,bs->s", border, border)
        return np.clip(1 - left, 0, 1)

    def variance(self, J: FloatArray) -> FloatArray:
        """j A⁻¹ jᵀ for each column j of ``J`` (n_parameters, n_rows), shape (n_rows,)."""
        return np.maximum(np.einsum("pn,pn->n", J, self.solve(J)), 0)

    def covariance_root(self) -> FloatArray:
        """M of A⁻¹ = M Mᵀ, of shape (n_parameters, n_parameters).

        Given the border, the others have the covariance √D (I - U diag(v / (1 + v)) Uᵀ) √D, with U
        and v the eigenvectors and the eigenvalues of √D Gᵀ G √D.
        """
        root_D = np.sqrt(_inverse(self.p, self.flat))
        U, singular, _ = np.linalg.svd(self.G * root_D[:, np.newaxis], full_matrices=False)
        shrunk = U * (1 - 1 / np.hypot(1, singular))
        M = np.diag(root_D) - root_D[:, np.newaxis] * (shrunk @ U.T)
        inverse = dtrtri(self.L, lower=1)[0]
        M[:, self.flat] = -(root_D**2)[:, np.newaxis] * (self.G @ (inverse.T @ self.Y @ self.C.T))
        M[np.ix_(self.flat, self.flat)] = self.C.T
        return M


def _inverse(p: FloatArray, flat: BoolArray) -> FloatArray:
    """D: 1/p, and 0 for the border."""
    return np.where(flat, 0, 1 / np.where(flat, 1, p))


def least_squares_by_rows(G: FloatArray, y: FloatArray, p: FloatArray) -> FloatArray:
    """The x with the least ½ ‖Gᵀx - y‖² + ½ Σ p x², from a system in the rows.

    Without any prior it is the shortest of the best, x = G (GᵀG)⁺ y, without the directions that
    are lost in rounding. Otherwise x = A⁻¹ G y.

    Parameters
    ----------
    G : array of shape (n_parameters, n_rows)
    y : array of shape (n_rows,)
    p : array of shape (n_parameters,)
        At most n_rows of them are 0, or all.

    Returns
    -------
    array of shape (n_parameters,)
    """
    flat = p == 0
    if not flat.all():
        return RowFactor.definite(G, p, flat).solve((G @ y)[:, np.newaxis])[:, 0]
    values, U = eigh(G.T @ G)
    values[values < LOST * values[-1]] = np.inf
    x: FloatArray = G @ (U @ ((U.T @ y) / values))
    return x
