"""Which export of a run is the best: what it draws and has learnt by heart, and why."""
