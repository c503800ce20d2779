"""What the tests of comparisons share."""

from tests.comparison.tiny import trainings

__all__ = ["trainings"]
