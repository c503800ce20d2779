"""The receptive field: which pixels of the image one value of a layer sees.

Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks", Distill. Where branches meet
(residual sums, Inception), the field reaches from the first pixel that any of them sees to the last one: the largest over
the paths. It is not cut at the border of the image: what lies outside is padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transfer.models.anatomy.layer_kinds import GLOBAL, PADDED, PLACEWISE, PRODUCTS, RESHAPED, window
from transfer.models.graph import Step


@dataclass(frozen=True)
class Reach:
    """What is seen along one axis, in pixels.

    Attributes:
        size: number of pixels that one value sees.
        stride: pixels between the fields of neighbouring values.
        start: first pixel that the first value sees; negative: padding.
    """

    size: int = 1
    stride: int = 1
    start: int = 0

    def through(self, extent: int, stride: int = 1, before: int = 0) -> "Reach":
        """Return the reach after a window `extent` wide, moved by `stride`, with `before` zeros before the first value."""
        return Reach(self.size + (extent - 1) * self.stride, self.stride * stride, self.start - before * self.stride)


@dataclass(frozen=True)
class Field:
    """The receptive field of a layer's values in height and width.

    `whole`: something below looks at all places at once (global pooling, flatten, squeeze-and-excite), so that every value
    depends on the whole image. The reaches are then those of a window over all places.
    """

    height: Reach = Reach()
    width: Reach = Reach()
    whole: bool = False


def receptive_field(step: Step, inputs: Sequence[Field | None]) -> Field | None:
    """Return the field of a step from those of its inputs; None if a layer's kind, here or below, is not known."""
    if step.kind == "InputLayer":
        return Field()
    known = [field for field in inputs if field is not None]
    if len(known) < len(inputs) or not known:
        return None
    if step.kind in GLOBAL or (step.kind == "LayerNormalization" and _over_space(step)):
        return _everywhere(step, known[0])
    if step.kind in PADDED:
        return _moved(step, known[0])
    if step.kind in RESHAPED:
        return _reshaped(step, known[0])
    if step.kind in PLACEWISE or (step.kind in PRODUCTS and _keeps_places(step)):
        return _merged(step, known)
    seen = window(step)
    if seen is None:
        return None
    height, width = (
        reach.through(seen.extent(axis), seen.stride[axis], seen.zeros_before(axis, step.input_shapes[0][axis]))
        for axis, reach in enumerate((known[0].height, known[0].width))
    )
    return replace(known[0], height=height, width=width)


def _places(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return height and width of a map; a vector has one place."""
    return (shape[0], shape[1]) if len(shape) == 3 else (1, 1)


def _everywhere(step: Step, field: Field) -> Field:
    height, width = places = _places(step.input_shapes[0])
    if places == (1, 1):
        return field
    if _places(step.output_shape) == places:  # a norm over all places is still a map
        return Field(field.height.through(height), field.width.through(width), whole=True)
    return Field(field.height.through(height, height), field.width.through(width, width), whole=True)


def _moved(step: Step, field: Field) -> Field | None:
    operation = step.operation
    if step.kind == "Pad":
        before = [pair[0] for pair in operation.pad_width[1:3]]
    elif step.kind == "Cropping2D":
        before = [-pair[0] for pair in operation.cropping]
    else:
        before = [pair[0] for pair in operation.padding]
    if len(step.input_shapes[0]) != 3 or len(before) != 2:
        return None
    return replace(field, height=field.height.through(1, before=before[0]), width=field.width.through(1, before=before[1]))


def _reshaped(step: Step, field: Field) -> Field | None:
    before, after = _places(step.input_shapes[0]), _places(step.output_shape)
    if before == after and (len(step.input_shapes[0]) == len(step.output_shape) or before == (1, 1)):
        return field if step.kind not in ("Permute", "Transpose") or before == (1, 1) else None
    return _everywhere(step, field) if len(step.output_shape) == 1 else None


def _merged(step: Step, fields: Sequence[Field]) -> Field | None:
    if step.kind == "Concatenate" and getattr(step.operation, "axis", -1) not in (-1, len(step.output_shape)):
        return None
    places = [_places(shape) for shape in step.input_shapes]
    leading = [field for field, place in zip(fields, places, strict=True) if place == max(places)]
    strides = {(field.height.stride, field.width.stride) for field in leading}
    if len(strides) > 1 and max(places) != (1, 1):
        return None  # the branches move apart from place to place
    height = _hull([field.height for field in fields], leading[0].height.stride)
    width = _hull([field.width for field in fields], leading[0].width.stride)
    return Field(height, width, any(field.whole for field in fields))


def _hull(reaches: list[Reach], stride: int) -> Reach:
    start = min(reach.start for reach in reaches)
    return Reach(max(reach.start + reach.size for reach in reaches) - start, stride, start)


def _over_space(step: Step) -> bool:
    axes = step.operation.axis if isinstance(step.operation.axis, list | tuple) else [step.operation.axis]
    return list(axes) not in ([-1], [len(step.output_shape)])


def _keeps_places(step: Step) -> bool:
    """Whether a product mixes only the channels of each place."""
    if step.kind == "Dense" or all(_places(shape) == (1, 1) for shape in step.input_shapes):
        return True
    equation = getattr(step.operation, "equation", None) or getattr(step.operation, "subscripts", None)
    taken, _, given = str(equation or "").replace(" ", "").partition("->")
    first = taken.split(",")[0]
    return len(first) >= 4 and len(given) >= 3 and first[1:3] == given[1:3] and "." not in first + given
