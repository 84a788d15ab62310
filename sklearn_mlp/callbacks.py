"""Support for scikit-learn's callbacks (scikit-learn 1.9 or newer).

A fit is a tree of tasks: its attempts, if there are several, and the iterations of each.
scikit-learn's context of a task calls the callbacks when the task begins and when it ends. A
callback can then ask for the model in its present state, or ask to stop the remaining tasks of
the same kind.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

import sklearn

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:
    # Older releases of scikit-learn have no such class.
    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replaces scikit-learn's mixin in releases that have none."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Set callbacks for the estimator. This release of scikit-learn has none.

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
"""The attributes that scikit-learn needs to tear the callbacks down after a fit."""


@dataclass(frozen=True)
class Task:
    """A part of a fit whose beginning and end the callbacks are told about.

    Attributes
    ----------
    context : sklearn.callback.CallbackContext
    estimator : estimator instance
        The estimator that is being fitted.
    data : dict
        What callbacks can ask for: X, y and metadata, or callables that return them.
    """

    context: Any
    estimator: Any
    data: dict[str, Any]

    def begin(self) -> Self:
        """Tell the callbacks that the task begins."""
        self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return self

    def subtask(self, name: str, max_subtasks: int | None = 0) -> "Task":
        """Create a task that is part of this one, and begin it."""
        return self.part(name, max_subtasks=max_subtasks).begin()

    def part(self, name: str, **parameters: Any) -> "Task":
        """Create a task that is part of this one, without beginning it."""
        context = self.context.subcontext(task_name=name, **parameters)
        return Task(context, self.estimator, self.data)

    def member(self, number: int) -> "Task":
        """The task of fitting a member of an ensemble.

        The label of its progress bar names the class of the member. "Ensemble" in place of the
        class of the whole leaves room for the bar in 80 columns.
        """
        task = self.part("member", task_id=number)
        task.context.estimator_name = "Ensemble"
        return task

    def around(self, sub_estimator: Any) -> AbstractContextManager[None]:
        """A context in which `sub_estimator`, fitted by this task, has the propagated callbacks."""
        return self.context.propagate_callback_context(sub_estimator)

    def end(self, fitted: Callable[[], dict[str, Any]] | None = None) -> bool:
        """Tell the callbacks that the task has ended.

        Parameters
        ----------
        fitted : callable, optional
            Returns the fitted attributes of the estimator in its present state. It is called
            only if a callback asks for the fitted estimator.

        Returns
        -------
        bool
            Whether a callback asks to stop.
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
        The largest number of parts of the task; None if it is not known.
    **parameters
        Passed to scikit-learn's context.

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
    """Reset the attributes of an estimator, but keep those that tear its callbacks down."""
    kept = {name: value for name, value in vars(estimator).items() if name in OF_THE_FIT}
    estimator.__dict__ = {**attributes, **kept}
