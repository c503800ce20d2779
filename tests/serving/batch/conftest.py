"""What the tests of batch prediction share."""

import numpy as np
import pytest

from transfer.exporters.served import Answers, Served


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images in each batch given to the network."""
    seen: list[int] = []
    really = Served.answer_decoded

    def answer(self: Served, images: np.ndarray) -> Answers:
        seen.append(len(images))
        return really(self, images)

    monkeypatch.setattr(Served, "answer_decoded", answer)
    return seen
