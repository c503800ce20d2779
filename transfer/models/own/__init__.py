"""Parts that the user gives as Keras objects, such as a backbone: kept as data, so that nothing else has to treat them otherwise."""
