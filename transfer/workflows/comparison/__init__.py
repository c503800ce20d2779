"""compare(): many ways to train on the same pictures, at several sizes and with several seeds, with statistics and cost."""
