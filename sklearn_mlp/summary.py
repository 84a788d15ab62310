"""What a fitted network or ensemble has found, in words, 80 columns wide."""

import math
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._typing import FloatArray

WIDTH = 79
LABEL = 16
MOST_RELEVANT = 25
"""So many inputs are listed by their relevance."""

MOST_ARCHITECTURES = 12
"""So many of the architectures that were tried are listed."""

Say = Callable[[str], None]


# Numbers and lines ------------------------------------------------------------------------------


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits. Only very large and small ones have exponents."""
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits}g}"
    return f"{value:,.{decimals(value, digits)}f}"


def decimals(value: float, digits: int = 4) -> int:
    """The number of decimals that shows so many significant digits."""
    if not math.isfinite(value) or value == 0:
        return 0
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def count(n: int, noun: str) -> str:
    """The number and the noun, in the singular or the plural."""
    return f"{n} {noun}" if n == 1 else f"{n:,} {noun}s"


def line(say: Say, label: str, text: str) -> None:
    """Say a text with its label, in as many lines as it takes."""
    wrapped = textwrap.wrap(text, WIDTH - LABEL, break_on_hyphens=False) or [""]
    for i, part in enumerate(wrapped):
        say(f"{'' if i else label:<{LABEL}}{part}".rstrip())


def width_of(text: str) -> int:
    """The columns that a text takes on a terminal. Chinese signs, for example, take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def cut(text: str, width: int = 14) -> str:
    """The text, with dots for its end if it is longer."""
    if width_of(text) <= width:
        return text
    while width_of(text) > width - 3:
        text = text[:-1]
    return f"{text}..."


def padded(text: str, width: int) -> str:
    """The text, cut to the width or with blanks up to it."""
    text = cut(text, width)
    return text + " " * (width - width_of(text))


# The network ------------------------------------------------------------------------------------


def in_words(network: Any) -> str:
    """The units of the network, and how it was trained."""
    units = " + ".join(str(W.shape[1]) for W in network.coefs_[:-1]) or "no"
    tried = getattr(network, "architectures_", None) or []
    members = [one for one in tried if one.get("share", 0) > 0]
    parts = f", the mean of {len(members)} networks" if len(members) > 1 else ""
    iterations = count(network.n_iter_, "iteration")
    return f"{units} hidden units{parts}; solver {network.solver_}, {iterations}"


def noise_in_words(network: Any) -> str:
    """The level of the noise of each output."""
    if hasattr(network, "dispersion_"):
        power = "" if network.loss == "poisson" else " squared"
        return f"variance {_numbers(network.dispersion_)} times the{power} mean"
    varies = ", varying with the inputs" if network.noise_ == "varying" else ""
    return f"{_numbers(network.noise_std_)} (standard deviation{varies})"


def parameters_in_words(network: Any) -> str:
    """How many parameters there are, and how many the data determine."""
    n_parameters = sum(W.size for W in network.weights_)
    if network.n_effective_parameters_ >= n_parameters:  # units without effect are left out
        return f"{n_parameters:,}, all of which the data determine"
    determined = number(network.n_effective_parameters_, 3)
    return f"{n_parameters:,}, of which the data determine {determined}"


def _numbers(values: float | FloatArray) -> str:
    return ", ".join(number(float(value)) for value in np.ravel(values))


def say_relevances(say: Say, names: Sequence[str], shares: FloatArray) -> None:
    """Say how far each input moves the predictions."""
    line(say, "inputs", "by relevance, how far they move the predictions (total 100 %):")
    order = np.argsort(-shares, kind="stable")
    for i in order[:MOST_RELEVANT]:
        bar = "#" * round(23 * shares[i])
        say(f"{'':<{LABEL}}{padded(names[i], 30)}  {shares[i]:>6.1%}  {bar}".rstrip())
    if (more := len(shares) - MOST_RELEVANT) > 0:
        rest = shares[order[MOST_RELEVANT:]].sum()
        say(f"{'':<{LABEL}}{f'and {more:,} more':<32}{rest:>6.1%}")


def say_summary(say: Say, network: Any) -> None:
    """Say what a fitted network has found."""
    line(say, "network", in_words(network))
    _say_architectures(say, getattr(network, "architectures_", []), standardize=network.standardize)
    if not hasattr(network, "posterior_kind_"):
        line(say, "loss", f"{number(network.loss_)} ({network.loss})")
        n_parameters = sum(W.size for W in network.weights_)
        line(say, "parameters", f"{n_parameters:,}; there is no posterior")
        return
    line(say, "log evidence", number(network.log_marginal_likelihood_))
    line(say, "noise", noise_in_words(network))
    line(say, "parameters", parameters_in_words(network))
    rows = count(round(network.posterior_n_samples_), "row")
    line(say, "posterior", f"of {network.posterior_kind_}, from {rows}")
    say_relevances(say, _names(network), network.feature_importances_)


def say_summary_of_ensemble(say: Say, ensemble: Any) -> None:
    """Say what the members of a fitted ensemble have found."""
    members = ensemble.estimators_
    line(say, "ensemble", f"the mean of {count(len(members), 'fit')}")
    for i, member in enumerate(members):
        is_ours = hasattr(member, "log_evidence_curve_")
        of_member = in_words(member) if is_ours else type(member).__name__
        line(say, "members" if i == 0 else "", f"{i + 1}: {of_member}")
    if hasattr(ensemble, "noise_std_"):
        n_varying = sum(getattr(member, "noise_", "") == "varying" for member in members)
        varies = f", varying with the inputs in {n_varying}" if n_varying else ""
        line(say, "noise", f"{_numbers(ensemble.noise_std_)} (standard deviation{varies})")
    if hasattr(ensemble, "feature_importances_"):
        say_relevances(say, _names(ensemble), ensemble.feature_importances_)


def _names(estimator: Any) -> list[str]:
    """The names of the inputs."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return [f"x{i}" for i in range(estimator.n_features_in_)]
    return [str(name) for name in names]


def _say_architectures(say: Say, tried: Sequence[dict[str, Any]], *, standardize: bool) -> None:
    """Say which hidden layers were tried: the share of each in the mean, and its best evidence."""
    found: dict[tuple[Any, int], tuple[float, float]] = {}
    for one in tried:
        key = one["hidden_layer_sizes"], one["n_rows"]
        share, evidence = found.get(key, (0.0, -np.inf))
        found[key] = share + one["share"], np.fmax(evidence, one["log_evidence"])
    if not found:
        return
    label = "log evidence (z-scores)" if standardize else "log evidence"
    say(f"{'tried':<{LABEL}}{'units':<12}{'rows':>12}{label:>25}{'share':>9}")
    for (sizes, n_rows), (share, evidence) in list(found.items())[:MOST_ARCHITECTURES]:
        units = " + ".join(map(str, sizes)) or "none"
        known = number(evidence) if np.isfinite(evidence) else "by held-out rows"
        say(f"{'':<{LABEL}}{units:<12}{n_rows:>12,}{known:>25}{share:>9.0%}")
    if (more := len(found) - MOST_ARCHITECTURES) > 0:
        say(f"{'':<{LABEL}}and {more:,} more")
