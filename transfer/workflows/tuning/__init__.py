"""The parts of tune(): the study (proposals, journal), what scores a trial, and the choice among the trials."""
