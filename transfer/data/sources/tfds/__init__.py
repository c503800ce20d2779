"""TensorFlow Datasets as a source of pictures."""
