"""The section `logging`: where a run is also recorded."""

from typing import Literal

from pydantic import Field, field_validator

from transfer.config.sections import Section

Tracker = Literal["tensorboard", "mlflow"]


class LoggingConfig(Section):
    """Where parameters, metrics of each epoch, figures and files of a run are also recorded. It changes no result."""

    to: tuple[Tracker, ...] = Field((), description="trackers: tensorboard, mlflow (the extra of this name), or both")
    name: str | None = Field(None, min_length=1, description="name of the log; empty: that of the run")
    folder: str | None = Field(None, min_length=1, description="TensorBoard: folder of all logs; empty: logs, beside the folder of runs")
    address: str | None = Field(
        None,
        min_length=1,
        description="MLflow: address of its server, http://HOST:PORT, or sqlite:///FILE; empty: MLFLOW_TRACKING_URI, or mlflow.db "
        "beside the folder of runs",
    )
    experiment: str | None = Field(None, min_length=1, description="MLflow: name of the experiment; empty: that of the data")
    model: bool = Field(True, description="MLflow: also log the model, so that mlflow models serve answers image bytes")
    seconds: float = Field(10.0, gt=0, description="MLflow: seconds to wait for an answer of its server")

    @field_validator("to")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"each tracker is named once; {twice[0]} is there twice")
        return names

    @field_validator("address")
    @classmethod
    def _no_password(cls, address: str | None) -> str | None:
        if address and "@" in address.partition("://")[2].partition("/")[0]:
            raise ValueError(
                "names no user: put it into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, as this is kept in config.yaml"
            )
        return address
