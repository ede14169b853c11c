"""Whole spaces measured once, and the tuner run on them without a device."""
