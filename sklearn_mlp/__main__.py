"""``python -m sklearn_mlp`` is the command ``sklearn-mlp``: see :mod:`sklearn_mlp.cli`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
