"""What the tests of comparisons share."""

from tests.workflows.comparison.tiny import trainings

__all__ = ["trainings"]
