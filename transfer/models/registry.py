"""The table of networks: the values of `backbone:` in a configuration. Data only; imports no TensorFlow.

To add a pretrained backbone, add a row to `BACKBONES`; to add a network trained from scratch, write its file in `scratch/`,
named like the network, and add a row to `SCRATCH`.
"""

from typing import Any

from transfer.config import NetworkConfig
from transfer.errors import ConfigError, named, unknown_name
from transfer.models import applications
from transfer.models.own import kept
from transfer.models.rows import Backbone, Cut, Scratch


def _layers(*names: str) -> tuple[Cut, ...]:
    return tuple(Cut(name, name) for name in names)


_VGG = _layers(*(f"block{i}_pool" for i in range(1, 6)))


def _vgg_layers(*convolutions: int) -> tuple[str, ...]:
    blocks = enumerate(convolutions, start=1)
    return tuple(f"block{i}_{kind}" for i, count in blocks for kind in (*(f"conv{j}" for j in range(1, count + 1)), "pool"))


_XCEPTION = (
    Cut("block1_conv2_act", "block1_conv2_act"),
    *(Cut(f"block{i}_add", f"block{i + 1}_sepconv1_act", before=True) for i in (2, 3, 4, 8, 12)),
    Cut("block13_add", "block14_sepconv1", before=True),
    Cut("block14_sepconv2_act", "block14_sepconv2_act"),
)
_CONVNEXT = (
    *(Cut(f"stage_{i}", f"convnext_tiny_downsampling_block_{i}", before=True) for i in range(3)),
    Cut("stage_3"),
)

BACKBONES = {
    backbone.name: backbone
    for backbone in [
        Backbone(
            "vgg16", "VGG16", "caffe", 224, 32, _VGG, "Simonyan and Zisserman 2015, arXiv:1409.1556",
            layers=_vgg_layers(2, 2, 3, 3, 3),
        ),
        Backbone(
            "inception_v3", "InceptionV3", "tf", 299, 75, _layers(*(f"mixed{i}" for i in range(11))),
            "Szegedy et al. 2016, arXiv:1512.00567",
        ),
        Backbone(
            "vgg19", "VGG19", "caffe", 224, 32, _VGG, "Simonyan and Zisserman 2015, arXiv:1409.1556",
            layers=_vgg_layers(2, 2, 4, 4, 4),
        ),
        Backbone(
            "resnet50_v2", "ResNet50V2", "tf", 224, 32,
            _layers("pool1_pool", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "post_relu"),
            "He et al. 2016, arXiv:1603.05027",
        ),
        Backbone("xception", "Xception", "tf", 299, 71, _XCEPTION, "Chollet 2017, arXiv:1610.02357"),
        Backbone(
            "densenet121", "DenseNet121", "torch", 224, 32,
            _layers("pool1", "pool2_pool", "pool3_pool", "pool4_pool", "relu"),
            "Huang et al. 2017, arXiv:1608.06993",
        ),
        Backbone(
            "mobilenet_v2", "MobileNetV2", "tf", 224, 32,
            _layers("block_2_add", "block_5_add", "block_9_add", "block_12_add", "block_15_add", "out_relu"),
            "Sandler et al. 2018, arXiv:1801.04381",
        ),
        Backbone(
            "efficientnet_v2_b0", "EfficientNetV2B0", "inside", 224, 32,
            _layers(
                "block1a_project_activation", "block2b_add", "block3b_add", "block4c_add", "block5e_add", "block6h_add",
                "top_activation",
            ),
            "Tan and Le 2021, arXiv:2104.00298",
        ),
        Backbone("convnext_tiny", "ConvNeXtTiny", "inside", 224, 32, _CONVNEXT, "Liu et al. 2022, arXiv:2201.03545"),
    ]
}  # fmt: skip

_PLAIN: dict[str, Any] = {"color": "rgb", "activation": "relu", "normalization": "none", "dropout": 0.0, "l1": 0.0, "l2": 0.0}
_POOLED: dict[str, Any] = _PLAIN | {"pooling": "max", "blur": 3}
_TRAINED: dict[str, Any] = {
    "training.epochs": 100, "training.patience": 30, "training.learning_rate": 1e-3, "augment.live": True, "augment.flip": False,
    "precision": "float32",
}  # fmt: skip
"""How networks are trained from scratch. Found on validation images of three data sets (means of two or three splits; before: no views):

    validation accuracy                                        before  live views  live, flipped too
    drawings, 7 classes, LeNet-5 as published, 64 px            0.388       0.471              0.485
    drawings, LeNet with RGB, ReLU, max, batch, dropout, 64 px  0.472       0.550              0.551
    drawings, Tiny VGG, 64 px                                   0.413           -              0.462
    drawings, multi-layer perceptron, 32 px                     0.430           -              0.477
    digits, about 1,250 to train on, that LeNet, 32 px          0.989       0.991              0.975
    digits, Tiny VGG with batch normalisation, 32 px            0.971       0.992              0.961
    digits, cifar with batch normalisation, 32 px               0.977       0.992              0.966
    Fashion-MNIST, 170 per class, Tiny VGG, 32 px               0.794           -              0.806

So views are made live, but not mirrored: that gains nothing that is certain on drawings, and costs 2 to 3 points on digits, where a
mirror image is another sign. With ten digits per class, validation stays at 0.90 to 0.91. A rate of 0.001 was as good as 0.003 or
better. Weight decay and label smoothing made no difference that is certain. Batch normalisation gains about a point (drawings, LeNet,
32 px: 0.470 to 0.487), but not with ten images per class; the networks stay as they were published, and it is an option. Early
stopping keeps the best epoch of 20 to 70 of 100. AlexNet (one split, drawings, 128 px): 0.492 before, 0.488 with views flipped too,
0.520 with batch normalisation as well.
"""

SCRATCH = {
    network.name: network
    for network in [
        Scratch(
            "lenet", 32, 16, "LeCun et al. 1998, Proceedings of the IEEE 86(11)",
            # Dropout and L2 are empty: they are taken from the section `head`.
            _POOLED | {"color": "grey", "activation": "tanh", "pooling": "average", "dropout": None, "l2": None},
            _TRAINED | {"head.dropout": 0.0, "head.l2": 0.0},
        ),
        Scratch(
            "alexnet", 227, 67, "Krizhevsky et al. 2012, Advances in Neural Information Processing Systems 25",
            _POOLED | {
                "filters": (64, 192, 384, 256, 256), "dense": (4096, 4096), "normalization": "local", "dropout": 0.5, "l2": 5e-4,
            },
            _TRAINED | {"training.learning_rate": 3e-4}, counts={"filters": 5},
        ),
        Scratch(
            "cifar", 32, 8, "Karpathy et al. 2015, Stanford CS231n",
            _POOLED | {"filters": (12,), "dense": (), "padding": "same", "locally_connected": False}, _TRAINED, block_convolutions=1,
        ),
        Scratch(
            "tiny_vgg", 64, 16, "Wang et al. 2020, arXiv:2004.15004",
            _POOLED | {"filters": (10, 10), "dense": (), "padding": "valid", "locally_connected": False}, _TRAINED, block_convolutions=2,
        ),
        Scratch(
            "mlp", 28, 8, "LeCun et al. 1998, Proceedings of the IEEE 86(11)",
            _PLAIN | {"dense": (300, 100)}, _TRAINED, without=(("normalization", "local"),),
        ),
    ]
}  # fmt: skip


def own_options(name: str, options: NetworkConfig | None) -> NetworkConfig:
    """Return the options of a network trained from scratch; those left empty take its own values."""
    given = options.model_dump(exclude_none=True) if options else {}
    return NetworkConfig(**(SCRATCH[name].options | given))


def names() -> list[str]:
    """Return the names of all networks, pretrained ones first."""
    return [*BACKBONES, *SCRATCH]


def find(name: str) -> Backbone | Scratch:
    """Return a network by name, without regard to case; a backbone also by its name in Keras (`InceptionV3`).

    `keras.applications.NAME` is the row of the table, or one that is made by a look at the network (`applications.py`), which
    imports TensorFlow. `own:NAME:DIGEST` is a backbone that was given in Python, from the cache.

    Raises:
        ConfigError: with the valid names and the nearest one.
    """
    if kept.is_own(name):
        return kept.backbone_row(name)
    plain = name.strip().lower()
    found = named(name, names()) or {row.builder.lower(): row.name for row in BACKBONES.values()}.get(
        plain.removeprefix(applications.PREFIX)
    )
    if found is None and plain.startswith(applications.PREFIX):
        return applications.row(plain.removeprefix(applications.PREFIX))
    if found is None:
        raise ConfigError("backbone: " + unknown_name("network", name, [*names(), f"{applications.PREFIX}NAME"]))
    return BACKBONES.get(found) or SCRATCH[found]


def require_size(name: str, size: int, smallest: int) -> None:
    """Check that a network accepts images of this side.

    Raises:
        ConfigError: if they are too small.
    """
    if size < smallest:
        raise ConfigError(f"image_size: {name} needs images of at least {smallest} pixels a side. Received image_size={size}.")
