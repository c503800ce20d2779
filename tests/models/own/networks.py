"""Small Keras models that tests give as parts."""

import keras


def network(side: int | None = 32, name: str = "mine") -> keras.Model:
    """Return a backbone with a branch, a sum without a layer, batch normalisation, and a model inside."""
    images = keras.Input((side, side, 3))
    stem = keras.Sequential([keras.layers.Conv2D(4, 3, padding="same"), keras.layers.BatchNormalization(), keras.layers.ReLU()])
    maps = keras.layers.MaxPooling2D(name="low")(stem(images))
    maps = keras.layers.ReLU()(maps + keras.layers.Conv2D(4, 3, padding="same")(maps))
    maps = keras.layers.MaxPooling2D(name="middle")(maps)
    return keras.Model(images, keras.layers.Conv2D(6, 3, padding="same", name="high")(maps), name=name)


def head(width: int, classes: int) -> keras.Model:
    """Return a head with dropout."""
    features = keras.Input((width,))
    hidden = keras.layers.Dropout(0.2)(keras.layers.Dense(5, activation="relu")(features))
    return keras.Model(features, keras.layers.Dense(classes)(hidden), name="plain")


@keras.saving.register_keras_serializable(package="tests")
class Scaled(keras.layers.Layer):
    """A registered layer with a weight."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return inputs * self.scale


class Unregistered(Scaled):
    """A layer that Keras would not find."""


@keras.saving.register_keras_serializable(package="tests")
class Counting(keras.layers.Layer):
    """A layer that changes in inference."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        self.calls.assign_add(1.0)
        return inputs + self.calls


@keras.saving.register_keras_serializable(package="tests")
class OverTheBatch(keras.layers.Layer):
    """A layer whose values depend on the other images of the batch."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return inputs - keras.ops.mean(inputs, axis=0, keepdims=True)


def with_layer(layer: keras.layers.Layer, side: int = 16) -> keras.Model:
    """Return a backbone of a convolution and a layer."""
    return keras.Sequential([keras.Input((side, side, 3)), keras.layers.Conv2D(3, 3, padding="same"), layer], name="mine")
