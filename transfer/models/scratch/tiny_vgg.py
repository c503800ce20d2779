"""Tiny VGG: Wang and others, "CNN Explainer: learning convolutional neural networks with interactive visualization", 2020.

arXiv:2004.15004. VGG's plan (Simonyan and Zisserman 2015) made small: blocks of two 3x3 convolutions and a max pooling, here
two blocks of 10 maps without padding, then the class scores; 19,920 parameters on 64x64x3 with 10 classes. More numbers in
`filters` are more blocks; `dense` adds hidden layers, as VGG has.
"""

import keras

from transfer.models.scratch.layers import Layers


def logits(x: keras.KerasTensor, layers: Layers, classes: int) -> keras.KerasTensor:
    """Standardised pixels [n, h, w, c] -> logits [n, classes]."""
    for block, filters in enumerate(layers.options.filters or (), start=1):
        for number in (1, 2):
            x = layers.conv(x, filters, 3, f"block{block}_conv{number}", padding=layers.options.padding or "valid")
        x = layers.pool(x, 2, 2, f"block{block}_pool")
    return layers.classify(x, classes, layers.hidden())
