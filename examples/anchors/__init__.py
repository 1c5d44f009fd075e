"""Public anchor sets, as plain files."""
