"""The error that the user can correct."""


class InputError(Exception):
    """An error in the user's files or arguments, shown as one line."""
