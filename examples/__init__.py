"""Small worked examples; a package so that `python -m examples.models.make` runs from the root."""
