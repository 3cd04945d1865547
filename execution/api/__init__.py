"""The REST API of runs, orders, positions, performance, risk and plans."""
