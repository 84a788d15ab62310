"""Sphinx: sphinx-build -W -b html docs docs/_build."""

from sklearn_mlp import __version__

project = "sklearn-mlp"
author = "The sklearn-mlp developers"
release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
]
exclude_patterns = ["_build"]
numpydoc_show_class_members = False

plot_include_source = False
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]

html_theme = "pydata_sphinx_theme"
html_title = project
html_sidebars = {"**": []}
html_theme_options = {"show_prev_next": False}
