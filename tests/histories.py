"""A small history of real games, rated by the real service."""

from pathlib import Path

from msgspec.structs import replace

from livegame.features.rows import game_update
from livegame.plays import Game, Shot
from livegame.recordings.files import SAMPLE_FOLDER, read_recording
from tests.conftest import Service
from tests.helpers import NOWHERE, make_client

SAMPLE = 2021020329


def sample_game() -> Game:
    """Return the bundled game, which is final."""
    return read_recording(SAMPLE_FOLDER / f"{SAMPLE}.json")


def small_history(folder: Path, service: Service) -> Path:
    """Return a history of two games, rated by two models, one with corrections by the league."""
    client = make_client(folder, NOWHERE, service.url)
    final = sample_game()
    shots = [play for play in final.plays if isinstance(play, Shot)]
    goal = next(shot for shot in shots if shot.kind == "goal")
    changed = {
        goal.event_id: replace(goal, kind="shot-on-goal"),
        shots[0].event_id: replace(shots[0], shot_type="backhand"),
    }
    before = replace(final, plays=tuple(changed.get(play.event_id, play) for play in final.plays))
    early = tuple(play for play in final.plays if play.period == 1)
    other = replace(final, game_id=2021030111, game_type=3, plays=early)
    for model in ("xg-default", "xg-distance"):
        service.client.download_registry_model("bundled", model)
        client.record([game_update(before), game_update(other)], 20)
    client.record([game_update(final)], 20)
    return folder / "history.db"
