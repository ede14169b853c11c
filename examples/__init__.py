"""Experiments with whole models: `python -m examples.run_all`; docs/experiments.md says what each asks."""
