"""Prediction of any number of files: read and decoded ahead of the network, kept in pieces, published as one table."""
