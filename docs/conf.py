"""Sphinx: sphinx-build -W -b html docs docs/_build."""

from sklearn_mlp import __version__

project = "sklearn-mlp"
author = "The sklearn-mlp developers"
release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # equations without a network
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples"]
templates_path = ["_templates"]
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings have them

plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]
plot_rcparams = {"figure.figsize": (7, 3.6), "figure.autolayout": True}
plot_apply_rcparams = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_mlp",),
    "abort_on_example_error": True,
    "show_signature": False,
    "write_computation_times": False,
    "log_level": {"backreference_missing": "info"},  # not every name has an example
}

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = project
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_static_path = ["_static"]
html_sidebars = {"index": [], "getting_started": [], "search": []}
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
