"""Sphinx: sphinx-build -W -b html docs docs/_build."""

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes

from sklearn_mlp import __version__

HERE = Path(__file__).parent

project = "sklearn-mlp"
author = "The sklearn-mlp developers"
release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
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

# Where the names of other libraries are explained. A build needs no network: inventories/ lists the
# names that these pages use, one a line (name, kind, page), in the first format of Sphinx.
LIBRARIES = {
    "scikit-learn": "https://scikit-learn.org/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "pandas": "https://pandas.pydata.org/docs/",
    "dask": "https://docs.dask.org/en/stable/",
    "distributed": "https://distributed.dask.org/en/stable/",
    "joblib": "https://joblib.readthedocs.io/en/stable/",
}
intersphinx_mapping = {name: (url, f"inventories/{name}.txt") for name, url in LIBRARIES.items()}

plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]
plot_rcparams = {"figure.figsize": (7, 3.6), "figure.autolayout": True}
plot_apply_rcparams = True

sphinx_gallery_conf = {
    "thumbnail_size": (560, 392),
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_mlp",),
    "abort_on_example_error": True,
    "show_signature": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "log_level": {"backreference_missing": "info"},  # not every name has an example
}

# Where the "lite" extra is installed, the examples also run in the browser, as notebooks with
# Python in WebAssembly. They install a wheel of this source, which is part of the pages.
if find_spec("jupyterlite_sphinx") and find_spec("jupyterlite_pyodide_kernel"):
    jupyterlite_dir = tempfile.mkdtemp()
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", f"{jupyterlite_dir}/pypi", ".."],
        cwd=HERE, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    extensions.append("jupyterlite_sphinx")
    jupyterlite_silence = True
    sphinx_gallery_conf["jupyterlite"] = {
        "use_jupyter_lab": True,
        "notebook_modification_function": "in_the_browser.install_first",
    }
    sys.path.insert(0, str(HERE))

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"{project} {release}"
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_static_path = ["_static"]
html_sidebars = {name: [] for name in ("index", "getting_started", "release_notes", "search")}
html_theme_options = {"navigation_with_keys": False}


def names_with_pages():
    """The names of other libraries, in full and as they are written, with their addresses."""
    pages = {}
    for library, url in LIBRARIES.items():
        lines = (HERE / "inventories" / f"{library}.txt").read_text(encoding="utf-8").splitlines()
        for line in lines[3:]:
            name, _, page = line.split()
            pages[name] = f"{url}{page}#{name}"
            short = name.rpartition(".")[2]
            if short[0].isupper() or "_" in short:  # not load, copy and the like
                pages[short] = pages[name]
    return pages


def link_names(app, doctree, docname):
    """A name between double backquotes links to its page, here or in another library's pages."""
    pages = names_with_pages()
    for name, entry in app.env.domains["py"].objects.items():
        if entry.docname != docname and entry.objtype in ("class", "function"):
            address = app.builder.get_relative_uri(docname, entry.docname)
            pages[name.rpartition(".")[2]] = f"{address}#{entry.node_id}"
    for literal in list(doctree.findall(nodes.literal)):
        address = pages.get(literal.astext().removesuffix("()"))
        if address and not isinstance(literal.parent, nodes.reference | nodes.title):
            link = nodes.reference(internal="://" not in address, refuri=address)
            literal.replace_self(link)
            link += literal


def read_changelog(app, docname, source):
    """CHANGELOG.md as the page of release notes: its headings, code and links in this markup."""
    if docname != "release_notes":
        return
    text = (HERE.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    app.env.note_dependency(str(HERE.parent / "CHANGELOG.md"))
    text = text.replace("# Changelog", "# Release notes", 1)
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"\[([^]]+)\]\((http[^)]+)\)", r"`\1 <\2>`__", text)
    for marks, line in (("#", "="), ("##", "-"), ("###", "~")):
        heading = rf"^{marks} (.+)$"
        text = re.sub(heading, lambda m, line=line: f"{m[1]}\n{len(m[1]) * line}", text, flags=re.M)
    source[0] = text


def setup(app):
    app.connect("source-read", read_changelog)
    app.connect("doctree-resolved", link_names)
