"""Charts of models: how well one is calibrated, and where two disagree."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from livegame.reports.calibration import Calibration
from livegame.reports.challenge import Challenge
from ui.charts.rink import GREY
from ui.charts.shots import layered, moments
from ui.colours import TeamColours
from ui.words import OUTCOMES

XG_TICKS: Final = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
RATIOS_SHOWN: Final = (0.4, 2.5)  # goals per expected goal; values outside are drawn at the edge


def reliability(found: Calibration, colour: str) -> dict[str, Any]:
    """Return the reliability diagram: goals per expected goal, by the probability that the model gave."""
    return _reliability(found.steps.assign(model=""), {"": colour}, legend=None)


def reliability_of_two(found: Challenge, colours: Mapping[str, str]) -> dict[str, Any]:
    """Return the reliability diagram of both models on the same shots; `colours` by name, the champion's first."""
    steps = [
        # side by side, so that neither covers the other
        figures.steps.assign(model=name, predicted=figures.steps["predicted"] * aside)
        for name, figures, aside in zip(colours, (found.champion, found.challenger), (0.975, 1.025), strict=True)
    ]
    return _reliability(pd.concat(steps), colours, alt.Legend(orient="top", title=None, labelLimit=280, columns=1))


def win_reliability(tenths: Sequence[Mapping[str, Any]], colour: str) -> dict[str, Any]:
    """Return the reliability diagram of win probability: how often the home team won, by tenth of its probability.

    `tenths` are those of the card: `predicted`, `observed`, its interval from `low` to `high`, `plays` and `games`.
    """
    rows = pd.DataFrame(tenths).assign(words=[f"{row['plays']:,} in {row['games']:,} games" for row in tenths])
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("predicted:Q", title="win probability", scale=scale, axis=alt.Axis(format="%", tickCount=5, grid=False))
    y = alt.Y("observed:Q", title="won", scale=scale, axis=alt.Axis(format="%", tickCount=5))
    points = alt.Chart(rows)
    return layered(
        [
            alt.Chart(pd.DataFrame({"predicted": [0, 1], "observed": [0, 1]}))
            .mark_line(strokeDash=[4, 4], color=GREY)
            .encode(x=x, y=y),
            points.mark_rule(strokeWidth=2, color=colour).encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"),
            points.mark_point(filled=True, opacity=1, size=50, color=colour).encode(
                x=x,
                y=y,
                tooltip=[
                    alt.Tooltip("words:N", title="Plays"),
                    alt.Tooltip("predicted:Q", title="Win probability", format=".1%"),
                    alt.Tooltip("observed:Q", title="Won", format=".1%"),
                    alt.Tooltip("low:Q", title="95% from", format=".1%"),
                    alt.Tooltip("high:Q", title="to", format=".1%"),
                ],
            ),
        ]
    )


def gains(found: Mapping[str, Challenge], colour: str) -> dict[str, Any]:
    """Return how much lower than the champion's each challenger's log loss is, by its name, with 95 % intervals."""
    rows = [
        {"name": name, "gain": of.gain.value, "low": of.gain.low, "high": of.gain.high, "shots": f"{of.shots:,}"}
        for name, of in found.items()
    ]
    bars = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y(
            "name:N", title=None, sort=list(found), axis=alt.Axis(labelLimit=150, ticks=False, domain=False, offset=6)
        ),
        tooltip=[
            alt.Tooltip("name:N", title="Challenger"),
            alt.Tooltip("shots:N", title="Shots"),
            alt.Tooltip("gain:Q", title="Log loss lower by", format="+.5f"),
            alt.Tooltip("low:Q", title="95% from", format="+.5f"),
            alt.Tooltip("high:Q", title="to", format="+.5f"),
        ],
    )
    title = "\N{LEFTWARDS ARROW} worse \N{MIDDLE DOT} log loss lower by \N{MIDDLE DOT} better \N{RIGHTWARDS ARROW}"
    axis = alt.Axis(format="~f", tickCount=5, labelOverlap=True)
    scale = alt.Scale(zero=True, nice=True, padding=12)
    zero = alt.Chart(pd.DataFrame({"gain": [0.0]})).mark_rule(strokeDash=[4, 4], color=GREY).encode(x="gain:Q")
    return layered(
        [
            zero,
            bars.mark_rule(color=colour, strokeWidth=3).encode(
                x=alt.X("low:Q", title=title, axis=axis, scale=scale), x2="high:Q"
            ),
            bars.mark_point(filled=True, color=colour, opacity=1, size=70).encode(x="gain:Q"),
        ]
    )


def _reliability(steps: pd.DataFrame, colours: Mapping[str, str], legend: alt.Legend | None) -> dict[str, Any]:
    """Return the reliability diagram of `Calibration.steps` by `model`, each model in its colour and shape."""
    steps = steps.assign(words=steps["shots"].map("{:,}".format))
    most = max(1.2 * float(steps["predicted"].max()), 0.1)
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    colour = alt.Color("model:N", scale=scale, legend=legend)
    shape = alt.Shape("model:N", scale=alt.Scale(domain=list(colours), range=["circle", "diamond"]), legend=legend)
    line = pd.DataFrame({"predicted": [0.004, most], "ratio": [1.0, 1.0]})
    # logarithmic: most shots have a low xG and need the room, and half as many goals is as far off as twice as many
    scale_x = alt.Scale(type="log", domain=[0.004, most], clamp=True)
    scale_y = alt.Scale(type="log", domain=list(RATIOS_SHOWN), clamp=True)
    x_axis = alt.Axis(format="~%", values=[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1], grid=False)
    x = alt.X("predicted:Q", title="xG", scale=scale_x, axis=x_axis)
    y_axis = alt.Axis(format=".2~f", values=[0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2])
    y = alt.Y("ratio:Q", title="goals per xG", scale=scale_y, axis=y_axis)
    layers = [
        alt.Chart(line).mark_line(strokeDash=[4, 4], color=GREY).encode(x=x, y=y),
        alt.Chart(steps)
        .mark_rule(strokeWidth=2)
        .encode(x=x, y=alt.Y("ratio_low:Q", scale=scale_y), y2="ratio_high:Q", color=colour),
        alt.Chart(steps)
        .mark_point(filled=True, opacity=1, size=26)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=shape,
            tooltip=[
                *([alt.Tooltip("model:N", title="Model")] if len(colours) > 1 else []),
                alt.Tooltip("words:N", title="Shots"),
                alt.Tooltip("predicted:Q", title="Mean xG", format=".1%"),
                alt.Tooltip("observed:Q", title="Goals per shot", format=".1%"),
                alt.Tooltip("low:Q", title="95% from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
                alt.Tooltip("ratio:Q", title="Goals per xG", format=".2f"),
            ],
        ),
    ]
    return layered(layers)


def disagreement(shots: pd.DataFrame, teams: tuple[str, str], colours: TeamColours, names: list[str]) -> dict[str, Any]:
    """Return the shots of `livegame.reports.comparison.compare` by the probabilities that the two models gave."""
    most = max(0.1, float(shots[["one", "other"]].max().max())) if len(shots) else 1.0
    # square roots: one attempt at an empty net would press all others into a corner
    scale = alt.Scale(type="sqrt", domain=[0, most], nice=False)
    ticks = [value for value in XG_TICKS if value <= most]
    in_colour = alt.Scale(domain=list(teams), range=[colours.away, colours.home])
    points = shots.assign(result=shots["outcome"].map(OUTCOMES), when=moments(shots))
    diagonal = pd.DataFrame({"one": [0, most], "other": [0, most]})
    axis = alt.Axis(format=".2f", values=ticks)
    x = alt.X("one:Q", title=f"xG by {names[0]}", scale=scale, axis=axis)
    y = alt.Y("other:Q", title=f"xG by {names[1]}", scale=scale, axis=axis)
    legend = alt.Legend(title=None, orient="bottom")
    layers = [
        alt.Chart(diagonal).mark_line(strokeDash=[4, 4], color=GREY).encode(x=x, y=y),
        alt.Chart(points)
        .mark_point(opacity=0.8, size=50)
        .encode(
            x=x,
            y=y,
            color=alt.Color("team:N", scale=in_colour, legend=legend),
            shape=alt.Shape("team:N", scale=alt.Scale(domain=list(teams), range=["circle", "diamond"]), legend=legend),
            tooltip=[
                alt.Tooltip("shooter:N", title="Shooter"),
                alt.Tooltip("when:N", title="Time"),
                alt.Tooltip("result:N", title="Outcome"),
                alt.Tooltip("one:Q", title=names[0], format=".2f"),
                alt.Tooltip("other:Q", title=names[1], format=".2f"),
            ],
        ),
    ]
    return layered(layers)
