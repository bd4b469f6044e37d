"""What no stage has to know: state, plans, publication, recovery. Knows no stage by name."""
