"""The feature store and several processes: writing at once, growing under another one's hands, killed in the middle."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transfer.features import pages, store
from transfer.features.store import FeatureSet, key, open_store

SET = FeatureSet("made-up", "00" * 32, 32, "stretch", "1", "float32")
WIDTH = 2500
BATCH = 8
ROOT = Path(__file__).resolve().parents[2]

# Writes endlessly, or so many, batches of records from a number on; says so after each.
WRITER = f"""
import itertools, sys
from tests.features.test_store_processes import *
pages.FIRST_SIZE = 1 << 16
first, batches = int(sys.argv[1]), int(sys.argv[2])
with open_store(SET) as opened_store:
    print("open", flush=True)
    sys.stdin.readline()
    for number in itertools.count() if batches < 0 else range(batches):
        opened_store.put(batch(first + {BATCH} * number))
        print("batch", flush=True)
"""

READER = """
import sys
from tests.features.test_store_processes import *
with open_store(SET) as opened_store:
    print("open", flush=True)
    sys.stdin.readline()
    print(rows(opened_store, range(16))[:, 0].astype(int).tolist(), flush=True)
"""


def name(number: int) -> bytes:
    return key(hashlib.sha256(str(number).encode()).hexdigest(), "0", "top:avg")


def batch(first: int) -> dict[bytes, bytes]:
    return {name(number): np.full(WIDTH, number, np.float32).tobytes() for number in range(first, first + BATCH)}


def rows(opened_store: store.Store, numbers: range) -> np.ndarray:
    return opened_store.get([name(number) for number in numbers], np.dtype(np.float32))


def start(script: str, *arguments: int) -> subprocess.Popen[str]:
    """Start a process and wait until it has opened the store; it goes on at `go`."""
    command = [sys.executable, "-c", script, *(str(argument) for argument in arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_write_at_once_and_nothing_is_lost() -> None:
    writers = [start(WRITER, 0, 30), start(WRITER, 120, 30)]  # their halves overlap
    for writer in writers:
        go(writer)
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with open_store(SET) as opened_store:
        received = rows(opened_store, range(360))
        assert opened_store.records() == 360
    assert np.array_equal(received, np.repeat(np.arange(360, dtype=np.float32)[:, None], WIDTH, 1))


def test_a_process_sees_what_another_wrote_after_it_had_opened_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FIRST_SIZE", 1 << 16)
    with open_store(SET) as opened_store:
        writer = start(WRITER, 0, 20)
        go(writer)
        writer.communicate(timeout=60)
        assert opened_store.has([name(159)]) == [True], "the other process made the map grow"
        assert np.array_equal(rows(opened_store, range(160))[:, 0], np.arange(160))
        opened_store.put(batch(160))
        assert opened_store.records() == 168


@pytest.mark.parametrize("batches", [1, 4, 25])
def test_a_writer_killed_in_the_middle_leaves_whole_batches_and_a_usable_store(batches: int) -> None:
    writer = start(WRITER, 0, -1)
    go(writer)
    assert writer.stdout is not None
    for _ in range(batches):
        assert writer.stdout.readline() == "batch\n"
    writer.kill()
    writer.communicate(timeout=60)
    with open_store(SET) as opened_store:
        count = opened_store.records()
        assert count >= batches * BATCH, "what was reported as stored is stored"
        assert count % BATCH == 0, "a batch is there whole or not at all"
        assert np.array_equal(rows(opened_store, range(count)), np.repeat(np.arange(count, dtype=np.float32)[:, None], WIDTH, 1))
        opened_store.put(batch(count))
        assert opened_store.records() == count + BATCH


def test_a_process_that_reads_a_pruned_set_goes_on_reading_it() -> None:
    from transfer.features import inventory

    with open_store(SET) as opened_store:
        opened_store.put(batch(0) | batch(BATCH))
    reader = start(READER)
    assert [item.id for item in inventory.prune(everything=True)] == [SET.id]
    go(reader)
    output, _ = reader.communicate(timeout=60)
    assert output.strip() == str(list(range(16)))
    with open_store(SET) as opened_store:
        assert opened_store.records() == 0, "who opens it now gets a new, empty one"
