"""What is told of a run, and how people and machines see it. Nothing here decides."""
