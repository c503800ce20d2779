"""The parts of compare(): methods, trials, their costs and records, and the tables made from them."""
