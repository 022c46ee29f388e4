"""What every room uses: errors, data tables, imports put off until they are needed."""
