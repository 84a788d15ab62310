"""The activation functions. Each has a value, computed in place, and a slope.

The slope is a function of the *value* of the activation, as in σ'(z) = σ(z) (1 - σ(z)). So a
forward pass has to keep only its outputs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ._typing import FloatArray


class Activation(NamedTuple):
    """An activation function h = f(z) and its slope as a function of h.

    Attributes
    ----------
    value : callable
        ``value(z)`` overwrites the array ``z`` with f(z).
    slope : callable
        ``slope(h, out)`` writes f'(z) into ``out``, given h = f(z).
    value_of_minus : callable, optional
        ``value_of_minus(z)`` overwrites ``z`` with f(-z), if that is less work.
    """

    value: Callable[[FloatArray], None]
    slope: Callable[[FloatArray, FloatArray], None]
    value_of_minus: Callable[[FloatArray], None] | None = None


def _sigmoid(z: FloatArray) -> None:
    """σ(z) = 1 / (1 + exp(-z))."""
    np.negative(z, out=z)
    _sigmoid_of_minus(z)


def _sigmoid_of_minus(z: FloatArray) -> None:
    """σ(-z) = 1 / (1 + exp(z)). If exp(z) overflows to inf, this is 0, which is right."""
    np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)


def _sigmoid_slope(h: FloatArray, out: FloatArray) -> None:
    """σ' = σ (1 - σ)."""
    np.subtract(1, h, out=out)
    out *= h


def _tanh(z: FloatArray) -> None:
    np.tanh(z, out=z)


def _tanh_slope(h: FloatArray, out: FloatArray) -> None:
    """tanh' = 1 - tanh²."""
    np.multiply(h, h, out=out)
    np.subtract(1, out, out=out)


def _relu(z: FloatArray) -> None:
    np.maximum(z, 0, out=z)


def _relu_slope(h: FloatArray, out: FloatArray) -> None:
    """1 where the unit is active, 0 elsewhere (and, by convention, at the kink)."""
    np.greater(h, 0, out=out)


def _softplus(z: FloatArray) -> None:
    """log(1 + exp(z)), without overflow."""
    np.logaddexp(z, 0, out=z)


def _softplus_slope(h: FloatArray, out: FloatArray) -> None:
    """softplus' = σ(z) = 1 - exp(-h)."""
    np.negative(h, out=out)
    np.expm1(out, out=out)
    np.negative(out, out=out)


def _identity(z: FloatArray) -> None:
    pass


def _identity_slope(h: FloatArray, out: FloatArray) -> None:
    out[...] = 1


def _exp(z: FloatArray) -> None:
    np.exp(z, out=z)


def _exp_slope(h: FloatArray, out: FloatArray) -> None:
    """exp' = exp."""
    out[...] = h


_SIGMOID = Activation(_sigmoid, _sigmoid_slope, _sigmoid_of_minus)

ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": _SIGMOID,
    "logistic": _SIGMOID,  # scikit-learn's name for it
    "tanh": Activation(_tanh, _tanh_slope),
    "relu": Activation(_relu, _relu_slope),
    "softplus": Activation(_softplus, _softplus_slope),
    "identity": Activation(_identity, _identity_slope),
}

OUTPUT_ACTIVATIONS: dict[str, Activation] = {
    "identity": ACTIVATIONS["identity"],
    "exp": Activation(_exp, _exp_slope),
}
"""The functions that turn the output z into the prediction. The loss says which one."""
