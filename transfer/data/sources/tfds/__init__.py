"""TensorFlow Datasets as a source of images."""
