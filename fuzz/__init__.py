"""Fuzzing: what must hold of every input, tried with random ones. See README.md."""
