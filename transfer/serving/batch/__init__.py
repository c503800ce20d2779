"""Prediction of any number of files: decoded ahead of the network, kept in shards, published as one table."""
