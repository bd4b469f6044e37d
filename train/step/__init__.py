"""One step of training: loss, gradients, optimizer, learning rate, processes."""
