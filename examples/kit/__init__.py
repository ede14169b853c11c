"""What the experiments share: text, models, a training loop, a file of results, tables and plots."""
