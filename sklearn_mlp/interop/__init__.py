"""Hand a fitted model to other tools: scikit-learn's own network, ONNX, and skops files.

- :func:`to_sklearn` makes a fitted :class:`~sklearn.neural_network.MLPRegressor` that predicts
  the same, for tools that know only scikit-learn's classes. :func:`from_sklearn` is the way back.
- :func:`to_onnx` makes an ONNX model, error bars included. After one call of
  :func:`register_onnx_converter`, ``skl2onnx.to_onnx`` converts pipelines with these estimators.
- :data:`SKOPS_TRUSTED_TYPES` is the list of types that ``skops.io.load`` must be told to trust.

Importing this package imports neither skl2onnx, onnx nor skops.
"""

from .onnx import register_onnx_converter, to_onnx
from .sklearn import from_sklearn, to_sklearn
from .skops import SKOPS_TRUSTED_TYPES

__all__ = [
    "SKOPS_TRUSTED_TYPES",
    "from_sklearn",
    "register_onnx_converter",
    "to_onnx",
    "to_sklearn",
]
