"""Files of weights of any kind, read and written a tensor at a time: looked at, cleaned, told."""
