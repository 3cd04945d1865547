"""`bin/bench engine`: the engine under load, with real processes and the simulator as witness."""
