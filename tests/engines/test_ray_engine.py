"""The Ray engine gives what the local one gives, whatever ends workers and nodes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra `ray`")

from ray.cluster_utils import Cluster

from tests.engines.cluster import Doubling, a_node_killed, two_nodes
from transfer import engines
from transfer.config import EngineConfig
from transfer.engines import LOCAL, Engine, Lost, ray_cluster
from transfer.errors import DataError, EngineError
from transfer.system import resources
from transfer.system.progress import Silent

NUMBERS = range(300)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes(object_store_memory=80_000_000) as made:
        yield made


@pytest.fixture
def ray(cluster: Cluster) -> Iterator[Engine]:
    with engines.opened(EngineConfig(kind="ray", address=cluster.address, retries=1), Silent()) as engine:
        yield engine


def streamed(engine: Engine, work: Doubling, batch: int = 32) -> dict[int, object]:
    """Return what each number gave; each is given exactly once."""
    found: dict[int, object] = {}
    for positions, result in engine.stream(work, NUMBERS, batch):
        for position in positions.tolist():
            assert position not in found
            found[position] = result if isinstance(result, Lost) else result[0]
    return found


def test_a_stream_gives_every_result_once(ray: Engine) -> None:
    assert streamed(ray, Doubling()) == streamed(LOCAL, Doubling()) == {number: 2 * number for number in NUMBERS}
    assert ray.titled("Reading") == "Reading (2 workers)" and LOCAL.titled("Reading") == "Reading"


def test_a_map_gives_the_results_in_order(ray: Engine) -> None:
    assert list(ray.map(Doubling().doubled, NUMBERS)) == list(LOCAL.map(Doubling().doubled, NUMBERS))


def test_an_empty_stream_ends_at_once(ray: Engine) -> None:
    assert list(ray.stream(Doubling(), [], 8)) == [] == list(ray.map(Doubling().doubled, []))


def test_errors_of_the_user_are_raised_as_they_are(ray: Engine) -> None:
    with pytest.raises(DataError, match="must not be 7"):
        streamed(ray, Doubling(wrong=7))
    with pytest.raises(DataError, match="must not be 7"):
        list(ray.map(Doubling(wrong=7).doubled, NUMBERS))


def test_what_ends_its_worker_each_time_is_named_and_the_others_are_done(ray: Engine) -> None:
    poisoned = {100: Lost("ended the worker that had it, 2 times"), 299: Lost("ended the worker that had it, 2 times")}
    assert streamed(ray, Doubling(ends=(100, 299))) == {number: 2 * number for number in NUMBERS} | poisoned


def test_a_call_that_ends_its_worker_each_time_is_lost(ray: Engine) -> None:
    assert list(ray.map(Doubling(ends=(3,)).doubled, range(6))) == [0, 2, 4, Lost("ended the worker that had it, 2 times"), 8, 10]


def test_items_of_a_batch_that_takes_too_much_memory_are_done_alone(ray: Engine) -> None:
    assert streamed(ray, Doubling(most=10)) == streamed(LOCAL, Doubling())


def test_workers_that_never_start_are_an_error(ray: Engine) -> None:
    with pytest.raises(EngineError, match="ended before it finished anything"):
        streamed(ray, Doubling(most=0))


def test_a_node_that_is_killed_costs_no_result(cluster: Cluster, ray: Engine, tmp_path: Path) -> None:
    work = Doubling(told=tmp_path, seconds=0.02)
    with a_node_killed(cluster, lambda: len(list(tmp_path.iterdir())) >= 3):
        assert streamed(ray, work, 16) == streamed(LOCAL, Doubling())


def test_a_node_that_is_killed_costs_no_call(cluster: Cluster, ray: Engine) -> None:
    done = 0

    def advanced() -> bool:
        return done >= 10

    with a_node_killed(cluster, advanced):
        for done, result in enumerate(ray.map(Doubling(seconds=0.05).doubled, range(60))):
            assert result == 2 * done


def test_results_that_do_not_fit_into_the_object_store_are_spilled(ray: Engine) -> None:
    sizes = [len(result[1]) for _, result in ray.stream(Doubling(padding=1_500_000), range(120), 12)]
    assert sizes == [1_500_000] * 120


def test_workers_compute_with_the_threads_of_the_driver(ray: Engine) -> None:
    ours = resources.threads()
    assert list(ray.map(lambda _: resources.threads(), [0])) == [ours]


def test_arrays_of_a_function_are_sent_once_and_unchanged(ray: Engine) -> None:
    table = np.random.default_rng(0).normal(size=(1000, 50))
    assert list(ray.map(lambda row: table[row].tobytes(), [0, 999])) == [table[0].tobytes(), table[999].tobytes()]


def test_an_engine_in_an_engine_joins_the_same_cluster(cluster: Cluster, ray: Engine) -> None:
    with engines.opened(EngineConfig(kind="ray"), Silent()) as inner:
        assert list(inner.map(Doubling().doubled, [4])) == [8]
    assert list(ray.map(Doubling().doubled, [4])) == [8]


def test_a_worker_larger_than_the_cluster_is_refused(cluster: Cluster) -> None:
    config = EngineConfig(kind="ray", address=cluster.address, cpus_per_worker=64)
    with engines.opened(config, Silent()) as engine, pytest.raises(EngineError, match="no room for a worker of 64 CPU cores"):
        list(engine.stream(Doubling(), NUMBERS, 8))


def test_without_an_address_a_cluster_is_started_also_where_one_runs_already(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}
    monkeypatch.setattr("ray.init", lambda **named: given.update(named))
    monkeypatch.setattr(ray_cluster, "_threads", dict)
    ray_cluster._connect(None, EngineConfig(kind="ray"))
    assert given["address"] == "local"  # None is the cluster that was started last on this machine
