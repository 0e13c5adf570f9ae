"""Word vectors in the formats of others, read and written in a stream; one module a format."""
