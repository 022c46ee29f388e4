"""Shared by all packages: errors, data tables, lazy imports."""
