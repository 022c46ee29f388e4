"""Real TLS clients: the programs, how each is installed and started, and a tap that reads what they say."""
