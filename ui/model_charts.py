"""Pictures of models: how well one is calibrated, and where two disagree."""

from typing import Any

import altair as alt
import pandas as pd

from livegame.calibration import Calibration
from ui.charts import OUTCOMES, picture
from ui.rink_drawing import GREY


def reliability(found: Calibration, colour: str) -> dict[str, Any]:
    """The reliability diagram: how often shots scored, by the chance that the model gave them."""
    steps = found.steps.assign(words=found.steps["shots"].map("{:,}".format))
    most = float(max(steps["predicted"].max(), steps["high"].max()))
    ends = pd.DataFrame({"predicted": [0.001, most], "observed": [0.001, most]})
    # most shots are unlikely goals: a logarithmic scale gives them room
    scale = alt.Scale(type="log", domain=[0.004, max(most, 0.1)], clamp=True)
    ticks = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
    x = alt.X("predicted:Q", title="chance given by the model", scale=scale, axis=alt.Axis(format="~%", values=ticks))
    y = alt.Y("observed:Q", title="share that scored", scale=scale, axis=alt.Axis(format="~%", values=ticks))
    layers = [
        alt.Chart(ends).mark_line(strokeDash=[4, 4], color=GREY).encode(x=x, y=y),
        alt.Chart(steps)
        .mark_rule(color=colour, opacity=0.5, strokeWidth=2)
        .encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        alt.Chart(steps)
        .mark_point(filled=True, color=colour, opacity=1, size=70)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("words:N", title="Shots"),
                alt.Tooltip("predicted:Q", title="Given", format=".1%"),
                alt.Tooltip("observed:Q", title="Scored", format=".1%"),
                alt.Tooltip("low:Q", title="95 % from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
            ],
        ),
    ]
    return picture(layers)


def disagreement(
    shots: pd.DataFrame, teams: tuple[str, str], colours: tuple[str, str], names: list[str]
) -> dict[str, Any]:
    """Each shot of `livegame.comparison.compare` by the chance that either model gave it."""
    most = max(0.1, float(shots[["one", "other"]].max().max())) if len(shots) else 1.0
    scale = alt.Scale(domain=[0, most])
    points = shots.assign(result=shots["outcome"].map(OUTCOMES))
    diagonal = pd.DataFrame({"one": [0, most], "other": [0, most]})
    x = alt.X("one:Q", title=names[0], scale=scale, axis=alt.Axis(format="~%", tickCount=5))
    y = alt.Y("other:Q", title=names[1], scale=scale, axis=alt.Axis(format="~%", tickCount=5))
    layers = [
        alt.Chart(diagonal).mark_line(strokeDash=[4, 4], color=GREY).encode(x=x, y=y),
        alt.Chart(points)
        .mark_point(opacity=0.8, size=50)
        .encode(
            x=x,
            y=y,
            color=alt.Color("team:N", scale=alt.Scale(domain=list(teams), range=list(colours)), legend=None),
            shape=alt.Shape("team:N", scale=alt.Scale(domain=list(teams), range=["circle", "diamond"]), title=None),
            tooltip=[
                alt.Tooltip("shooter:N", title="Shooter"),
                alt.Tooltip("result:N", title="Outcome"),
                alt.Tooltip("one:Q", title=names[0], format=".1%"),
                alt.Tooltip("other:Q", title=names[1], format=".1%"),
            ],
        ),
    ]
    return picture(layers)
