"""Measurements of what the project claims, one module per claim: ``python -m bench.<name> --json`` prints one line."""
