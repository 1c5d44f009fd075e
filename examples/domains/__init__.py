"""Example plug-ins of the entry-point group `m2kt.domains`; each folder is a project of its own."""
