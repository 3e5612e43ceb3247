"""The errors of training. Each message says what to do next; `exit_code` is what a command ends with.

TrainingError               3
├── NoRecordings            3
├── TooFewGames             3
├── ArtifactUnusable        3
├── TableUnusable           3
└── PublishError            4
"""


class TrainingError(Exception):
    """Base of the errors that training raises itself."""

    exit_code = 3


class NoRecordings(TrainingError):
    """There are no recorded games to train on or to check."""


class TooFewGames(TrainingError):
    """The history holds too few games to fit a model on, or to compare two."""


class ArtifactUnusable(TrainingError):
    """The folder does not hold a model that training wrote."""


class TableUnusable(TrainingError):
    """The table of published xG cannot be read or joined."""


class PublishError(TrainingError):
    """The model could not be registered with Comet."""

    exit_code = 4
