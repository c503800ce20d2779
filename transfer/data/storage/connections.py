"""fsspec's file systems, one for each kind of storage; their errors in plain words; retries with growing pauses.

What passes is tried again: answers 429 and 5xx, lost connections, timeouts. What stays is told at once. An error of a single object is an
`OSError`; what concerns all of them (credentials, an unreachable server) is a `DataError`, so that no image is taken for unreadable.
Texts of the providers are never shown: they can hold parts of credentials.
"""

import errno
import functools
import importlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from transfer.data.storage.paths import RemotePath
from transfer.errors import DataError

T = TypeVar("T")

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try; they vary by a quarter, so that many workers do not come back together."""

FEW_PAUSES = PAUSES[:2]
"""Those of the first request, which finds a wrong address."""

_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60}
_PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "hdfs": "fsspec",
}  # fmt: skip
_WHERE = {
    "s3fs": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, AWS_PROFILE, or the role of this machine; for a public "
    "bucket FSSPEC_S3_ANON=true; for another server AWS_ENDPOINT_URL",
    "gcsfs": "GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`, or the role of this machine; for a public bucket "
    "FSSPEC_GS_TOKEN=anon",
    "adlfs": "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
    "fsspec": "Hadoop's own settings (HADOOP_HOME, CLASSPATH, ARROW_LIBHDFS_DIR)",
}
_TRANSIENT_STATUS = {408, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded",
    "OperationTimedOut", "ServerBusy", "OperationAborted",
}  # fmt: skip
_TRANSIENT_KINDS = {
    "ConnectionError", "TimeoutError", "HTTPClientError", "ClientConnectionError", "ClientPayloadError", "IncompleteRead", "FSTimeoutError",
    "ResponseParserError", "ServiceRequestError", "ServiceResponseError", "TransportError",
}  # fmt: skip
"""Classes of the providers' libraries, by name: none of them need be installed."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_REFUSED = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException",
    "AuthFailure", "AuthenticationFailed", "RefreshError", "ClientAuthenticationError",
}  # fmt: skip
_NONE_FOUND = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound", "TokenRetrievalError",
    "SSOTokenLoadError", "UnauthorizedSSOTokenError", "DefaultCredentialsError", "NoAuthTokenError",
}  # fmt: skip


def package(path: RemotePath) -> str:
    """Return the package that reads this kind of storage."""
    return _PACKAGES[path.scheme]


def filesystem(path: RemotePath) -> Any:
    """Return fsspec's file system for a path, the same one for all of its kind.

    Raises:
        DataError: if a package is missing, or the settings of the storage are.
    """
    return _made(path.scheme, path.bucket if _PACKAGES[path.scheme] in ("fsspec", "adlfs") else "", path.connections)


@functools.cache
def _made(scheme: str, host: str, connections: int) -> Any:
    needed = _PACKAGES[scheme]
    try:
        import fsspec

        module = importlib.import_module(needed)
    except ImportError as error:
        raise DataError(
            f'{scheme}:// needs a package that is not installed: pip install "keras-transfer[cloud]" (or: pip install {needed}). '
            f"Received {str(error)!r}."
        ) from None
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    try:
        if needed == "s3fs":
            kind = type("S3", (module.S3FileSystem,), {"retries": 1})  # it is tried again here
            return kind(**options, config_kwargs={**_TIMEOUTS, "max_pool_connections": connections, "retries": {"max_attempts": 0}})
        if host:  # the server of hdfs, the account of abfs
            options |= fsspec.get_filesystem_class(scheme)._get_kwargs_from_urls(f"{scheme}://{host}/x")
        return fsspec.filesystem(scheme, **options)
    except Exception as error:
        raise _about_credentials(
            f"The settings of {scheme}:// are not complete ({type(error).__name__}).", needed, f"{scheme}://"
        ) from None


def call(function: Callable[[], T], path: RemotePath, pauses: Sequence[float] = ()) -> T:
    """Call a function of a file system; try again what passes, and raise what does not in plain words.

    Args:
        function: the request.
        path: what it is about.
        pauses: seconds before each further try; none: `PAUSES`.

    Raises:
        FileNotFoundError: if there is no such object.
        PermissionError: if it may not be read.
        OSError: for other errors of the object; `strerror` says which.
        DataError: if the storage itself cannot be used: credentials, a bucket that does not exist, a server that does not answer.
    """
    waits = pauses or PAUSES
    for pause in (*waits, None):
        try:
            return function()
        except DataError:
            raise
        except Exception as error:  # each library has its own
            found = list(_chain(error))
            if pause is None or not any(map(_is_transient, found)):
                raise _told(found, path, len(waits) + 1) from None
        time.sleep(pause * random.uniform(0.75, 1.25))
    raise AssertionError


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def code_of(error: BaseException) -> str:
    """Return the provider's word for an error, empty if it has none."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _status(error: BaseException) -> int:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    else:
        status = next((value for name in ("status_code", "status", "code") if isinstance(value := getattr(error, name, None), int)), 0)
    return int(status or 0)


def _kinds(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _is_transient(error: BaseException) -> bool:
    return _status(error) in _TRANSIENT_STATUS or code_of(error) in _TRANSIENT_CODES or bool(_kinds(error) & _TRANSIENT_KINDS)


def _told(found: Sequence[BaseException], path: RemotePath, tries: int) -> OSError | DataError:
    """Return the error for people."""
    words = {code_of(error) for error in found} | {kind for error in found for kind in _kinds(error)}
    statuses = {_status(error) for error in found}
    shown, needed = f"{path.scheme}://{path.bucket}", _PACKAGES[path.scheme]
    if words & _EXPIRED:
        return _about_credentials("The credentials have expired. Get new ones and start again: what was done is kept.", needed, shown)
    if words & _REFUSED or 401 in statuses:
        return _about_credentials("The credentials are not accepted.", needed, shown)
    if words & _NONE_FOUND:
        return _about_credentials("No credentials were found.", needed, shown)
    if "RequestTimeTooSkewed" in words:
        return DataError(f"The clock of this machine is wrong, so the storage refuses its requests. Set it. Received {shown!r}.")
    if "NoSuchBucket" in words:
        return DataError(f"The bucket does not exist. Expected the name of a bucket that can be listed. Received {str(path)!r}.")
    if words & {"ParamValidationError", "InvalidBucketName"}:
        return DataError(f"This is no name of a bucket. Received {shown!r}.")
    if any(map(_is_transient, found)):
        return DataError(
            f"The storage does not answer: {_reason(found)}, {tries} times. Check the network and the address, and start again: what was "
            f"done is kept. Received {str(path)!r}."
        )
    if any(isinstance(error, FileNotFoundError) for error in found) or 404 in statuses:
        return FileNotFoundError(errno.ENOENT, "there is no such object", str(path))
    if any(isinstance(error, PermissionError) for error in found) or 403 in statuses:
        return PermissionError(errno.EACCES, "access denied", str(path))
    return OSError(errno.EIO, f"the storage answered {_reason(found)}", str(path))


def _reason(found: Sequence[BaseException]) -> str:
    code = next((code for error in found if (code := code_of(error))), "")
    status = next((status for error in found if (status := _status(error))), 0)
    return " ".join(filter(None, (str(status or ""), code if code != str(status) else ""))) or type(found[-1]).__name__


def _about_credentials(what: str, needed: str, shown: str) -> DataError:
    return DataError(f"{what} They are looked for where the provider's own tools do: {_WHERE[needed]}. Received {shown!r}.")
