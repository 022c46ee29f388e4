"""Two states of a configuration compared: what a TLS client would see change."""
