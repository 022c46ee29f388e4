"""What rules share: no rules."""
