"""Pictures as SVG, drawn by pure functions: presentation attributes and classes only, every text escaped.

Each has a table beside it that says the same.
"""
