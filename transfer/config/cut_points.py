"""The type of `truncate_at`: where a backbone is cut, in one place or in several."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator


def _names(value: Any) -> tuple[str, ...]:
    """Return the names in a setting: `block4_pool, block5_pool`, or a list."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("expected top, all, auto, a cut point, or a list of cut points such as [block4_pool, block5_pool]")
    names = tuple(item.strip() for item in items)
    if not names or not all(names):
        raise ValueError("a list of cut points has at least one, and none without a name")
    for word in ("top", "all", "auto"):
        if len(names) > 1 and word in (name.lower() for name in names):
            raise ValueError(f"{word} stands alone; a list names cut points")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"no cut point may be repeated; {twice[0]} appears twice")
    return names


def _single(names: tuple[str, ...]) -> str | tuple[str, ...]:
    return names[0] if len(names) == 1 else names


CutPoints = Annotated[str | tuple[str, ...], BeforeValidator(_names), AfterValidator(_single)]
"""A word or a cut point, as text; or several cut points, as a tuple."""


def listed(truncate_at: str | tuple[str, ...]) -> str:
    """Return cut points as one word: `block4_pool+block5_pool`."""
    return truncate_at if isinstance(truncate_at, str) else "+".join(truncate_at)
