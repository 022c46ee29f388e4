"""Running servers compared with their files: the only package that opens a connection."""
