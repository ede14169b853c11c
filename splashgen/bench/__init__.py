"""The comparison with peers: the same inputs, timed in turn in one process, every raw sample kept."""
