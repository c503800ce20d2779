"""compare(): many ways to train on the same images, at several sizes and with several seeds, with statistics and cost."""
