"""The commands of ``python -m trainer``, one a module."""
