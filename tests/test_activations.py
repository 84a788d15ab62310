from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from sklearn_mlp.activations import ACTIVATIONS
from tests import reference

Z = np.concatenate([np.linspace(-40, 40, 801) + 0.01, [-800, 800]])

CLOSED_FORM: dict[str, Any] = {
    "sigmoid": expit,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: z * (z > 0),
    "softplus": lambda z: np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0),
    "identity": lambda z: z,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_value_is_the_closed_form_and_keeps_the_dtype(name: str, dtype: Any) -> None:
    h = Z.astype(dtype)
    with np.errstate(over="ignore"):
        ACTIVATIONS[name].value(h)
    assert h.dtype == dtype
    expected = CLOSED_FORM[name](Z.astype(dtype).astype(np.float64))
    tolerance = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(h, expected, rtol=tolerance, atol=np.finfo(dtype).tiny * 4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_value_of_minus_is_that_of_the_mirror_image(dtype: Any) -> None:
    mirrored = [f for f in ACTIVATIONS.values() if f.value_of_minus is not None]
    assert mirrored
    for activation in mirrored:
        h, mirror = Z.astype(dtype), -Z.astype(dtype)
        with np.errstate(over="ignore"):
            activation.value(h)
            # Not None: the list above has seen to that.
            activation.value_of_minus(mirror)  # type: ignore[misc]
        np.testing.assert_array_equal(mirror, h)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_of_the_value_is_the_derivative(name: str) -> None:
    z = np.linspace(-20, 20, 401) + 0.01
    f = reference.VALUE["sigmoid" if name == "logistic" else name]
    expected = np.imag(f(z + 1e-30j)) / 1e-30
    h = z.copy()
    ACTIVATIONS[name].value(h)
    slope = np.empty_like(h)
    ACTIVATIONS[name].slope(h, slope)
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-15)


def test_sigmoid_slope_peaks_at_a_quarter_and_vanishes_in_saturation() -> None:
    h = np.array([-800.0, -40.0, 0.0, 40.0, 800.0])
    with np.errstate(over="ignore"):
        ACTIVATIONS["sigmoid"].value(h)
    slope = np.empty_like(h)
    ACTIVATIONS["sigmoid"].slope(h, slope)
    assert slope[2] == 0.25
    assert (slope[[0, 1, 3, 4]] < 1e-15).all()
