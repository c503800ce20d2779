"""The recipe of Keras's transfer-learning guide, which the benchmarks compare with: VGG16 under a new head, in float32."""

import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH = 32


def build(size: int, classes: int) -> tuple[Any, Any]:
    """Return the model and its frozen backbone, with ImageNet's weights; it mirrors images at random."""
    import keras

    from transfer.models import weights
    from transfer.models.registry import find
    from transfer.system.progress import Silent

    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(size, size, 3))
    base.set_weights(weights.imagenet(find("vgg16"), Silent()))
    base.trainable = False
    inputs = keras.Input((size, size, 3))
    x = keras.layers.RandomFlip("horizontal")(inputs)
    x = base(keras.applications.vgg16.preprocess_input(x), training=False)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(classes)(x)), base


def compile_model(model: Any, rate: float) -> None:
    """Compile it for a stage with this learning rate."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])


def rates(model: Any, train: Any, validation: Any, steps: int) -> dict[str, float]:
    """Return images/s of training and of validation, from some steps after one that warms up."""
    model.fit(train.take(1), verbose=0)
    model.evaluate(validation.take(1), verbose=0)
    started = time.perf_counter()
    model.fit(train.take(steps), verbose=0)
    trained = time.perf_counter()
    judged = min(steps, len(validation) - 1)
    model.evaluate(validation.take(judged), verbose=0)
    ended = time.perf_counter()
    return {
        "train_images_per_s": round(steps * BATCH / (trained - started), 2),
        "validation_images_per_s": round(judged * BATCH / (ended - trained), 2),
    }
