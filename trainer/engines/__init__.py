"""The fast engines: what ``models`` specifies, computed many times faster. Importing this package compiles nothing."""
