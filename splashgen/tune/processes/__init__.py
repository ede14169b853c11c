"""Processes that a call can lose, and Ctrl-C heard where the tuner can stop."""
