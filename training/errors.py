"""The errors of training. Each message says what to do next; `exit_code` is the command's exit code.

TrainingError
├── NoRecordings            3
├── TooFewGames             3
├── ArtifactUnusable        3
├── TableUnusable           3
└── PublishError            4
"""

from typing import ClassVar


class TrainingError(Exception):
    """Base of the errors that training raises itself."""

    exit_code: ClassVar[int]


class NoRecordings(TrainingError):
    """There are no recorded games to train on or to check."""

    exit_code = 3


class TooFewGames(TrainingError):
    """The history holds too few games to fit a model on, or to compare two."""

    exit_code = 3


class ArtifactUnusable(TrainingError):
    """The folder does not hold a model that training wrote."""

    exit_code = 3


class TableUnusable(TrainingError):
    """The table of published xG cannot be read or joined."""

    exit_code = 3


class PublishError(TrainingError):
    """The model could not be registered with Comet."""

    exit_code = 4
