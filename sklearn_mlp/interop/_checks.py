"""The check that every conversion begins with."""

from typing import Any

from sklearn.utils.validation import check_is_fitted


def check_fitted(model: Any, *types: type) -> None:
    """Raise a TypeError if the model is of none of the types, and an error if it is not fitted."""
    if not isinstance(model, types):
        names = " or ".join(f"{t.__module__.split('.')[0]}'s {t.__name__}" for t in types)
        raise TypeError(f"Expected {names}, got {type(model).__name__}.")
    check_is_fitted(model)
