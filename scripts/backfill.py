"""Import recorded games into the history and have them rated: raw answers of either feed, single games or seasons.

    python -m scripts.backfill recordings/seasons
    python -m scripts.backfill 2022-23.jsonl.xz --cluster tcp://10.0.0.5:8786

A path is a `.json` or `.json.gz` file named after its game, a season's `.jsonl.xz`, or a folder of them. Games already
in the history are compared with the recording, as a ping would do; those that the active model has rated from the very
same recording are skipped. Ctrl-C stops after the games in progress; the next run resumes there.

Exit codes: 0 every game is stored, 1 some are not, 2 usage, 4 prediction service, 5 database, 6 the processes or the
cluster that read the games, 7 a fault of the program, 130 interrupted.
"""

import logging
from contextlib import closing
from pathlib import Path

from db.environment import SettingsError
from livegame.client import GameClient
from livegame.errors import FeatureMapError, FeedError
from livegame.recordings.backfill import Backfill, Progress, find_sources
from livegame.recordings.workers import collect_rarely, open_workers
from livegame.settings import ClientSettings
from scripts.arguments import command_parser
from scripts.command import INTERRUPTED, OUR_ERRORS, exit_code, run
from scripts.progress import ProblemsOnLines, ProgressLine, Stop, minutes


def text(progress: Progress, elapsed: float) -> str:
    """Return the progress after `elapsed` seconds, with how long the rest will take."""
    worked = progress.done_bytes - progress.passed_bytes
    left = (progress.total_bytes - progress.done_bytes) * elapsed / worked if worked else 0
    return (
        f"{progress.done_bytes / max(progress.total_bytes, 1):4.0%}  {summary(progress)},"
        f" {progress.stored / elapsed:.0f} games per second, {minutes(left)} left"
    )


def summary(progress: Progress) -> str:
    """Return what was done, in words."""
    words = [f"{progress.stored:,} games stored", f"{progress.scored:,} shots rated"]
    by_challengers = progress.scored_by_challengers
    words += [f"{by_challengers:,} ratings by challengers"] if by_challengers else []
    words += [f"{progress.passed:,} were complete"] if progress.passed else []
    words += [f"{progress.failed:,} failed"] if progress.failed else []
    return ", ".join(words)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = command_parser("backfill", __doc__)
    parser.add_argument("path", type=Path, nargs="*", help="default: the folder XG_RECORDINGS")
    parser.add_argument("--cluster", metavar="ADDRESS", help="read games on this Dask cluster instead of here")
    options = parser.parse_args(arguments)
    line = ProgressLine()
    collect_rarely()
    logging.getLogger("livegame").addHandler(ProblemsOnLines(line))
    try:
        settings = ClientSettings.from_env()
        sources = find_sources(options.path or [settings.recordings])
        client = GameClient.from_settings(settings)
        return _run(client, sources, options.cluster, line)
    except (SettingsError, FeatureMapError, FeedError) as error:
        parser.error(str(error))
    except OUR_ERRORS as error:
        line.say(f"backfill: {error}")
        return exit_code(error)
    except KeyboardInterrupt:
        line.say("stopped at once; run it again to resume")
        return INTERRUPTED


def _run(client: GameClient, sources: list[Path], cluster: str | None, line: ProgressLine) -> int:
    stop = Stop()
    progress = Progress(0)
    with open_workers(cluster) as workers, closing(Backfill(client, workers, line.say).run(sources)) as steps:
        for progress in steps:
            line.show(text(progress, line.elapsed_s))
            if stop.is_wanted:
                line.say(f"interrupted: {summary(progress)}; run it again to resume")
                return INTERRUPTED
    line.say(summary(progress))
    return 1 if progress.failed else 0


if __name__ == "__main__":
    run(main)
