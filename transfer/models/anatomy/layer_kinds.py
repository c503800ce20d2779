"""What is known of each kind of layer, by the name of its class in Keras: layers and functional operations. Data only."""

WINDOWED = {
    "Conv2D": "conv",
    "Conv": "conv",
    "DepthwiseConv2D": "depthwise",
    "DepthwiseConv": "depthwise",
    "SeparableConv2D": "separable",
    "SeparableConv": "separable",
    "MaxPooling2D": "max pool",
    "MaxPool": "max pool",
    "AveragePooling2D": "avg pool",
    "AveragePool": "avg pool",
    "ExtractPatches": "patches",
}
"""Layers that slide a window over the image."""

GLOBAL = {
    "GlobalAveragePooling2D": "global avg pool",
    "GlobalMaxPooling2D": "global max pool",
    "Flatten": "flatten",
    "GroupNormalization": "group norm",
}
"""Layers of which every value depends on all places."""

PADDED = {"ZeroPadding2D": "zero padding", "Cropping2D": "cropping", "Pad": "padding"}
"""Layers that move the border."""

PLACEWISE = {
    "BatchNormalization": "batch norm",
    "LayerNormalization": "layer norm",
    "Normalization": "standardise",
    "Rescaling": "rescaling",
    "RGBToGrayscale": "grey",
    "Activation": "activation",
    "ReLU": "ReLU",
    "LeakyReLU": "leaky ReLU",
    "PReLU": "PReLU",
    "ELU": "ELU",
    "Softmax": "softmax",
    "Dropout": "dropout",
    "SpatialDropout2D": "dropout",
    "GaussianNoise": "noise",
    "GaussianDropout": "dropout",
    "ActivityRegularization": "penalty",
    "Identity": "identity",
    "LayerScale": "layer scale",
    "StochasticDepth": "drop path",
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Concatenate": "concat",
    "TrueDivide": "divide",
    "Absolute": "absolute",
    "Cast": "cast",
    "Clip": "clip",
    "Divide": "divide",
    "Elu": "elu",
    "Exp": "exp",
    "Gelu": "gelu",
    "HardSigmoid": "hardsigmoid",
    "HardSilu": "hardsilu",
    "LeakyRelu": "leakyrelu",
    "Log": "log",
    "Negative": "negative",
    "Power": "power",
    "Relu": "relu",
    "Relu6": "relu6",
    "Rsqrt": "rsqrt",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softplus": "softplus",
    "Sqrt": "sqrt",
    "Square": "square",
    "Tanh": "tanh",
}
"""Layers of which a value depends on the same place of the inputs (and on all channels there)."""

RESHAPED = {"Reshape": "reshape", "Permute": "permute", "Transpose": "transpose", "GetItem": "slice", "Squeeze": "squeeze"}
"""Layers that move values without computing."""

PRODUCTS = {"Dense": "dense", "EinsumDense": "einsum dense", "Einsum": "einsum", "Matmul": "matrix product"}
"""Layers that are products of matrices."""

NAMES = {"InputLayer": "input"} | WINDOWED | GLOBAL | PADDED | PLACEWISE | RESHAPED | PRODUCTS
"""What the table calls each kind."""

WITHOUT_PRODUCTS = {kind for kind, name in NAMES.items() if kind not in PRODUCTS and name not in ("conv", "depthwise", "separable")}
"""Kinds that count no multiply-adds; see `multiply_adds.py`."""
