"""Helpers that rules share; no rules."""
