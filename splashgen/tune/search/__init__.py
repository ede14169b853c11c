"""What decides: where a search starts, which candidate comes next, when it is enough."""
