"""Checks of single settings, which name the option that is wrong."""

from __future__ import annotations

from artifact.errors import InputError


def check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    """InputError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise InputError(f"--{option} must be one of {', '.join(choices)}, not {value!r}")


def check_range(option: str, value: float, low: float, high: float) -> None:
    """InputError unless ``value`` is from ``low`` to ``high``; NaN never is."""
    if not low <= value <= high:  # also false for NaN
        raise InputError(f"--{option} must be from {low:g} to {high:g}, not {value}")
