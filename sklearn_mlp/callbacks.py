"""scikit-learn's callbacks (from its 1.9 on), and what tells them of a fit.

A fit is a tree of tasks: its attempts where there are several, and the iterations of each.
scikit-learn's context of a task calls the callbacks when the task begins and when it ends, and
they may ask then for the model as it is, or to end the tasks beside it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

import sklearn

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:
    # Stands in for the class that older releases do not have.
    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What stands for scikit-learn's mixin where there is none."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Set callbacks for the estimator; not with this scikit-learn.

            Raises
            ------
            ImportError
                Always.
            """
            raise ImportError(
                f"callbacks need scikit-learn 1.9 or later, this is {sklearn.__version__}."
            )


__all__ = ["CallbackSupportMixin", "Task", "begin_fit", "restore"]

OF_THE_FIT = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
"""The attributes by which scikit-learn tears the callbacks down after a fit."""


@dataclass(frozen=True)
class Task:
    """A task of a fit, of which the callbacks have been told that it begins.

    Attributes
    ----------
    context : sklearn.callback.CallbackContext
    estimator : estimator instance
        The one that is being fitted.
    data : dict
        What the callbacks can ask for: X, y and metadata, or callables that return them.
    """

    context: Any
    estimator: Any
    data: dict[str, Any]

    def begin(self) -> Self:
        """Tell the callbacks that the task begins."""
        self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return self

    def subtask(self, name: str, max_subtasks: int | None = 0) -> "Task":
        """Begin a task that is part of this one."""
        return self.part(name, max_subtasks=max_subtasks).begin()

    def part(self, name: str, **parameters: Any) -> "Task":
        """A task that is part of this one and has not begun."""
        context = self.context.subcontext(task_name=name, **parameters)
        return Task(context, self.estimator, self.data)

    def around(self, sub_estimator: Any) -> AbstractContextManager[None]:
        """While an estimator that this task fits has the callbacks that are for it too."""
        return self.context.propagate_callback_context(sub_estimator)

    def end(self, fitted: Callable[[], dict[str, Any]] | None = None) -> bool:
        """Tell the callbacks that the task has ended; whether one of them wants no more like it.

        Parameters
        ----------
        fitted : callable, optional
            Returns the attributes that make a copy of the estimator the model as it is. Called
            only if a callback asks for that.
        """
        return self.context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=fitted, **self.data
        )


def begin_fit(
    estimator: Any, data: dict[str, Any], max_subtasks: int | None, **parameters: Any
) -> Task | None:
    """Set up the callbacks of an estimator and begin the task of fitting it.

    Parameters
    ----------
    estimator : estimator instance
    data : dict
        As in :class:`Task`.
    max_subtasks : int or None
        Most parts of the task, None if that is not known.
    **parameters
        Passed on to scikit-learn's context.

    Returns
    -------
    Task or None
        None if there are no callbacks.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        return None
    context = estimator._init_callback_context(max_subtasks=max_subtasks, **parameters)
    return Task(context, estimator, data).begin()


def restore(estimator: Any, attributes: dict[str, Any]) -> None:
    """Give an estimator these attributes, but let its callbacks be torn down."""
    kept = {name: value for name, value in vars(estimator).items() if name in OF_THE_FIT}
    estimator.__dict__ = {**attributes, **kept}
