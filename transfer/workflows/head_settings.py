"""Settings of heads: those of one kind go with no other."""

from transfer.config import Config, HeadConfig
from transfer.errors import ConfigError


def check_pooling(config: Config, cuts: int) -> None:
    """Refuse whole maps of several cut points."""
    if config.head.pooling == "flatten" and cuts > 1:
        raise ConfigError(
            "head.pooling: flatten takes whole maps, of a single cut point. Expected avg, max or avg+max with several cut points. "
            f"Received head.pooling='flatten' with truncate_at={config.truncate_at!r}."
        )


_OTHER_HEADS = {
    "linear": "a linear head has no such setting; head.inverse_penalty regularises it",
    "own": "an own head has its own layers",
}


def check_kind(config: Config) -> None:
    """Refuse settings of the other kind of head."""
    head, general = config.head, HeadConfig()
    if (head.kind == "own") != (head.own is not None):
        raise ConfigError(
            "head.kind: own is a head that is given in Python: transfer.fit(..., head=MODEL), which sets head.own. Expected both or "
            f"neither. Received head.kind={head.kind!r}, head.own={head.own!r}."
        )
    if head.kind == "linear" and not config.unfreeze_from and (config.training.callbacks or config.training.metrics):
        raise ConfigError(
            "head.kind: a linear head is fitted at once, without epochs that callbacks and metrics could see. Expected head.kind=dense "
            f"with them. Received {', '.join([*config.training.callbacks, *config.training.metrics])}."
        )
    if head.kind == "dense":
        if head.inverse_penalty != general.inverse_penalty:
            raise ConfigError(
                "head.inverse_penalty: a dense head has head.l2 instead. Expected it with head.kind=linear. "
                f"Received {head.inverse_penalty!r}."
            )
        return
    if head.kind == "linear" and config.unfreeze_from == "all" and config.weights == "random":
        raise ConfigError("head.kind: a head that is trained together with the whole backbone is dense. Received 'linear'.")
    for key, none in {"dense": (), "dropout": 0, "l2": 0}.items():
        if getattr(head, key) not in (getattr(general, key), none):
            raise ConfigError(f"head.{key}: {_OTHER_HEADS[head.kind]}. Received {getattr(head, key)!r}.")
