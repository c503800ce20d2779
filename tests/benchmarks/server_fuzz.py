#!/usr/bin/env python3
"""A long run of requests made up by schemathesis from the server's OpenAPI document, against a server with a tiny model.

    python tests/benchmarks/server_fuzz.py [--examples 1000]

`ratio` is the share of operations at which no answer was a failure of the server or differed from the document.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1000, help="requests for each operation, fitting and not fitting the document")
    args = parser.parse_args()
    from tests.serving import tiny_export
    from tests.serving.fuzzing import OPERATIONS, operation
    from tests.serving.running import served

    began, asked, failed = time.perf_counter(), 0, []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        tiny_export.write(Path(folder) / "export" / "1")
        with served(Path(folder) / "export") as running:
            for name in OPERATIONS:
                try:
                    asked += operation(running, name, args.examples)
                except Exception as error:
                    failed.append(name)
                    print(f"{name}: {error}", file=sys.stderr)
    result = {
        "benchmark": "server_fuzz",
        "ratio": round(1 - len(failed) / len(OPERATIONS), 3),
        "requests": asked,
        "failed": failed,
        "seconds": round(time.perf_counter() - began),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
