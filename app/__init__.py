"""The server: questions over HTTP, answered from the artifacts in a store."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("wordkin")
except PackageNotFoundError:
    # Run from a folder that was not installed.
    __version__ = "0+unknown"
