"""Have stored games rated by the challengers as well, or by any model that the service has loaded.

    python -m scripts.rescore
    python -m scripts.rescore --model lab/xg-next:2.0.0 --season 20222023
    python -m scripts.rescore --since 2022-10-01

Each shot is rated once per model, from the features in the history, the latest games first. Games that are being pinged
are waited for; those that stay busy are named. At the end, a sentence says whether a challenger is better than the
active model yet. Ctrl-C stops after the games in progress; the next run resumes there, also after kill -9.

Exit codes: 0 every game is rated, 1 some are not, 2 usage, 4 prediction service, 5 database, 6 another rescore is
running, 7 a fault of the program, 130 interrupted.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from datetime import date

from db.environment import SettingsError
from db.history import History
from livegame.client import GameClient
from livegame.errors import FeatureMapError, UnknownFeatures
from livegame.rescore import Progress, Rescore
from livegame.settings import ClientSettings
from scripts.arguments import command_parser, season
from scripts.command import INTERRUPTED, OUR_ERRORS, exit_code, print_line, run
from scripts.progress import ProblemsOnLines, ProgressLine, Stop, minutes
from xgserve.client import ModelDescription


def day(text: str) -> str:
    """Return the date that an argument such as 2022-10-01 names."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise argparse.ArgumentTypeError("must be a date such as 2022-10-01") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = command_parser("rescore", __doc__)
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help="a loaded model, as workspace/name:version or by its whole id; default: all challengers",
    )
    parser.add_argument("--season", type=season, metavar="S", help="only this season, such as 20222023")
    parser.add_argument("--since", type=day, metavar="DATE", help="only games from this date on, such as 2022-10-01")
    options = parser.parse_args(arguments)
    line = ProgressLine()
    logging.getLogger("livegame").addHandler(ProblemsOnLines(line))
    try:
        settings = ClientSettings.from_env()
        client = GameClient.from_settings(settings)
        active, *challengers = client.loaded_models()
        try:
            models = [chosen(name, [active, *challengers]) for name in options.model] or challengers
        except LookupError as error:
            parser.error(str(error))
        if not models:
            line.say("the service has no challengers; load one on the Service page, or name a model with --model")
            return 0
        code = _run(client, models, options, line)
        if code != INTERRUPTED:
            _say_which_is_better(History(settings.history_db), active, models)
        return code
    except (SettingsError, FeatureMapError) as error:
        parser.error(str(error))
    except OUR_ERRORS as error:
        line.say(f"rescore: {error}")
        return exit_code(error)
    except KeyboardInterrupt:
        line.say("stopped at once; run it again to resume")
        return INTERRUPTED


def chosen(name: str, loaded: Sequence[ModelDescription]) -> ModelDescription:
    """Return the loaded model of this id or name. Raise LookupError if there is none."""
    for model in loaded:
        if name in (model.id, model.id.partition("@")[0]):
            return model
    raise LookupError(f"the service has not loaded {name}; it has {', '.join(model.id for model in loaded)}")


def _run(
    client: GameClient, models: Sequence[ModelDescription], options: argparse.Namespace, line: ProgressLine
) -> int:
    stop = Stop()
    failed = 0
    with client.rescoring():
        for model in models:
            try:
                inputs = client.inputs_of(model)
            except UnknownFeatures as error:
                failed += 1
                line.say(str(error))
                continue
            begun, progress = time.monotonic(), Progress(0)
            for progress in Rescore(client, inputs, line.say).run(options.season, options.since):
                line.show(f"{model.id}: {text(progress, time.monotonic() - begun)}")
                if stop.is_wanted and progress.done < progress.total:
                    line.say(f"interrupted: {model.id}: {summary(progress)}; run it again to resume")
                    return INTERRUPTED
            failed += progress.failed
            line.say(f"{model.id}: {summary(progress)}")
    return 1 if failed else 0


def text(progress: Progress, elapsed_s: float) -> str:
    """Return the progress after `elapsed_s` seconds, with how long the rest will take."""
    left = (progress.total - progress.done) * elapsed_s / progress.done if progress.done else 0
    return (
        f"{progress.done / max(progress.total, 1):4.0%}  {summary(progress)},"
        f" {progress.done / max(elapsed_s, 0.001):.0f} games per second, {minutes(left)} left"
    )


def summary(progress: Progress) -> str:
    """Return what was done, in words."""
    words = [_count(progress.done - progress.failed, "game"), f"{_count(progress.scored, 'shot')} rated"]
    words += [f"{_count(progress.failed, 'game')} failed"] if progress.failed else []
    return ", ".join(words)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _say_which_is_better(history: History, active: ModelDescription, models: Sequence[ModelDescription]) -> None:
    from livegame.reports.challenge import challenge, sentence  # imports pandas, which the rest does not need

    for model in models:
        if model.id != active.id and (found := challenge(history, active.id, model.id)) is not None:
            print_line(sentence(found))


if __name__ == "__main__":
    run(main)
