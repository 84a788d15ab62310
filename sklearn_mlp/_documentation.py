"""The address of the documentation. scikit-learn's diagrams link to it."""

DOCUMENTATION = "https://sklearn-mlp.readthedocs.io/en/stable/"

DOCUMENTATION_OF_CLASS = DOCUMENTATION + "generated/sklearn_mlp.{estimator_name}.html"
"""The page of an estimator, for scikit-learn's ``_doc_link_template``."""
