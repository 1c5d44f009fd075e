"""Makes the plug-in importable from the repository's root too; it is not part of the wheel."""
