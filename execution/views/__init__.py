"""Pages that see everything that trades: the desk, baskets, executions, performance, risk."""
