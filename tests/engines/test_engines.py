"""Engines are opened as configured; what is missing or differs is told in one line. No cluster is needed."""

import importlib.util
from typing import Any

import pytest

from transfer import engines
from transfer.config import EngineConfig, build
from transfer.engines import LOCAL, ray_cluster
from transfer.errors import ConfigError, EngineError
from transfer.system.progress import Silent


def test_this_process_is_the_default() -> None:
    with engines.opened(EngineConfig(), Silent()) as engine:
        assert engine is LOCAL


@pytest.mark.parametrize(("given", "expected"), [("auto", "auto"), (4, (4,)), ("2,64", (2, 64)), ([2, 64], (2, 64)), ("8", (8,))])
def test_numbers_of_workers(given: Any, expected: Any) -> None:
    assert build([{"engine.workers": given}]).engine.workers == expected


@pytest.mark.parametrize("given", [0, -1, [4, 2], "many", [1, 2, 3], 1.5, True])
def test_other_numbers_of_workers_are_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"engine\.workers"):
        build([{"engine.workers": given}])


def test_the_nearest_engine_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'ray'"):
        build([{"engine.kind": "rai"}])


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else found(name, *rest))
    with pytest.raises(EngineError, match=r'pip install "keras-transfer\[ray\]"'):
        engines.require(EngineConfig(kind="ray"))
    engines.require(EngineConfig())


def test_a_node_of_other_versions_is_named() -> None:
    ours = ray_cluster.facts()
    ray_cluster.require_same(ours, dict(ours), "node-1")
    with pytest.raises(EngineError, match=r"node-1.*Received tensorflow 2\.0 \(here .*\), openvino none") as caught:
        ray_cluster.require_same({**ours, "openvino": "2026.1"}, {**ours, "tensorflow": "2.0", "openvino": ""}, "node-1")
    assert "keras" not in str(caught.value).partition("Received")[2].replace("keras-transfer", "")


def test_an_address_where_nothing_answers_is_an_error_of_one_line() -> None:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    with (
        pytest.raises(EngineError, match=r"engine\.address.*Received 127\.0\.0\.1:1\.") as caught,
        engines.opened(EngineConfig(kind="ray", address="127.0.0.1:1"), Silent()),
    ):
        pass
    assert "\n" not in str(caught.value)
