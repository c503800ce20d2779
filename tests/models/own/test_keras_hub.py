"""Backbones of KerasHub, with random weights: maps and tokens, and a Keras file of theirs."""

from pathlib import Path

import keras
import numpy as np
import pytest

from transfer.config import HeadConfig
from transfer.errors import ConfigError, RunError
from transfer.models import heads, joined, keras_file
from transfer.models.own.backbone import adopt
from transfer.models.pretrained import Pretrained
from transfer.system.progress import Silent

keras_hub = pytest.importorskip("keras_hub")

IMAGES = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)


def _resnet() -> keras.Model:
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64], stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2], block_type="basic_block", use_pre_activation=False, image_shape=(None, None, 3),
    )  # fmt: skip


def _vit() -> keras.Model:
    return keras_hub.models.ViTBackbone(image_shape=(32, 32, 3), patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32)


def test_a_residual_network_is_cut_where_its_resolution_changes() -> None:
    row = adopt(_resnet(), "torch").row
    assert len(row.cuts) >= 2 and not row.only_size
    assert Pretrained.load(row, "own", 64, "float32", 0, Silent()).shape("top") == (8, 8, 64)


def test_a_transformer_that_keras_hub_itself_cannot_make_again_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match=r"^backbone: Keras cannot make the model again .*ViTPatchingAndEmbedding"):
        adopt(_vit(), "tf")


def test_its_layers_are_kept_and_its_files_are_opened_where_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = keras.Input((32, 32, 3))
    tokens = keras.layers.Reshape((16, 16))(keras.layers.Conv2D(16, 8, strides=8)(images))
    model = keras.Model(images, tokens + keras_hub.layers.SinePositionEncoding()(tokens), name="tokens")
    row = adopt(model, "tf").row
    pretrained = Pretrained.load(row, "own", 32, "float32", 0, Silent())
    expected = np.asarray(model(IMAGES / 127.5 - 1, training=False)).reshape(2, 4, 4, 16)
    np.testing.assert_allclose(pretrained.model(IMAGES, training=False), expected, rtol=1e-3, atol=1e-4)

    classifier = joined.join(pretrained, ["top"], "avg", heads.build(16, 2, HeadConfig(dense=()), 0))
    classifier.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras_file.load(tmp_path / "model.keras")(IMAGES), classifier(IMAGES), rtol=1e-4, atol=1e-5)
    monkeypatch.delitem(keras_file.sys.modules, "keras_hub")
    monkeypatch.setattr(keras.saving, "get_registered_object", lambda name: None)
    with pytest.raises(RunError, match=r"may only hold layers of Keras and their weights. Found keras_hub.*--trust"):
        keras_file.load(tmp_path / "model.keras")
