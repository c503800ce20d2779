"""What a network is made of: its layers, their sizes, work and receptive fields, and the arithmetic of one convolution."""
