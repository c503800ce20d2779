"""schemathesis against a running server; short in the tests, long in tests/benchmarks/server_fuzz.py."""

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.serving.running import Running

OPERATIONS = {
    "predict": ("/v1/models/{name}:predict", "POST"),
    "predict_version": ("/v1/models/{name}/versions/{version}:predict", "POST"),
    "status": ("/v1/models/{name}", "GET"),
    "metadata": ("/v1/models/{name}/versions/{version}/metadata", "GET"),
    "files": ("/predict", "POST"),
    "explain": ("/explain", "POST"),
    "health": ("/healthz", "GET"),
    "metrics": ("/metrics", "GET"),
}

_LEFT_OUT = {
    "positive_data_acceptance",  # made-up bytes are no images, and made-up names no models: refusing them is right
    "negative_data_rejection",  # as TensorFlow Serving does, unknown keys and headers are let pass
}


def operation(server: Running, name: str, examples: int, seed: int = 0) -> int:
    """Call one operation, with requests that fit its description and with requests that do not; return their number.

    Raises:
        AssertionError or an exception of schemathesis: where an answer is not as documented, or the server failed.
    """
    schemathesis.checks.load_all_checks()
    schema = schemathesis.openapi.from_dict(httpx.get(f"{server.url}/openapi.json", trust_env=False).json())
    schema.config.update(base_url=server.url)
    path, method = OPERATIONS[name]
    checks = [check for check in CHECKS.get_all() if check.__name__ not in _LEFT_OUT]
    asked = 0
    plain = name in ("health", "metrics")  # nothing in them could be wrong
    for mode in (GenerationMode.POSITIVE,) if plain else (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        strategy = schema[path][method].as_strategy(generation_mode=mode)

        @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(strategy)
        def ask(case: schemathesis.Case) -> None:
            nonlocal asked
            if "name" in case.path_parameters and asked % 2:
                case.path_parameters["name"] = server.engine.settings.name  # made up, it is never the right one
            answer = case.call(timeout=20)
            case.validate_response(answer, checks=checks)
            asked += 1

        ask()
    return asked
