"""Runs recorded elsewhere, too: TensorBoard and MLflow. They are told what was done, and take no part in it."""
