"""Attributes that are computed when they are first asked for."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

Value = TypeVar("Value")


class lazy(Generic[Value]):  # noqa: N801  # used like property
    """An attribute that is computed once and kept, as by :func:`functools.cached_property`.

    That one holds a lock in Python 3.11, one for all instances of a class. A process that is forked
    while another thread holds it waits for ever. Here two threads may both compute the value, and
    one of the two equal ones is kept.

    Examples
    --------
    >>> from sklearn_mlp._lazy import lazy
    >>> class Rows:
    ...     @lazy
    ...     def total(self):
    ...         print("computed")
    ...         return 3
    >>> rows = Rows()
    >>> rows.total, rows.total
    computed
    (3, 3)
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...
    def __get__(self, instance: object | None, owner: type) -> Self | Value:
        """The value, which hides this descriptor from then on."""
        if instance is None:
            return self
        value = self._compute(instance)
        vars(instance)[self._name] = value
        return value
