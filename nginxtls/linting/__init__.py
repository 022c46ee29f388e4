"""Linting: rules chosen and run over a configuration, findings marked, sorted and collected in a report."""
