"""Fit the chain's parameters by the likelihood of recorded goals and pulled goalies, game by game."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from livegame.features.situations import situation_of
from livegame.plays import PERIOD_SECONDS
from livegame.win_probability.chain import END
from livegame.win_probability.parameters import PULL_STEP_S, Parameters
from livegame.win_probability.states import PULLED_LAST_S
from livegame.win_probability.strength import SeasonSums, season_ratios

Numbers = npt.NDArray[np.float64]

SEASON_GAMES: Final = 20.0  # pseudo-counts; the likelihood is flat around them
GAME_PSEUDO_XG: Final = 5.0
# Seasons differ by some 3 % in goals per game, and one game's goals by 41 % (Poisson): (0.41 / 0.03)^2.
LEVEL_GAMES: Final = 190.0
_LEAST_S: Final = 20_000  # of a manpower: fewer seconds say too little of it
_LEAST_OVERTIME_S: Final = 3000
_SHRINKING_S: Final = 3600.0  # time at the usual rate that is added to rare situations
_MOST_BEHIND: Final = 4
_STEPS: Final = PULLED_LAST_S // PULL_STEP_S
_SMOOTHED: Final = np.array([0.25, 0.5, 0.25])  # neighbouring steps of the pulling rate
_EFFECTS: Final = (
    *("playoffs", "second_period", "third_period", "ahead_by_two", "behind_by_two"),
    *("ahead_by_one_late", "behind_by_one_late", "tied_last_ten", "tied_last_five"),
)
_RATIOS: Final = ("home", "season_xg", "season_goals", "game_xg")  # half of each for the home team, half against


def fit(moments: pd.DataFrame, facts: pd.DataFrame, sums: dict[int, tuple[SeasonSums, SeasonSums]]) -> Parameters:
    """Return the parameters that fit the games of `moments.moments_frame` best.

    The effects are those of a Poisson regression of goals on time (N. E. Breslow and N. E. Day, Statistical Methods in
    Cancer Research II, 1987, chapter 4). Rates by manpower are goals by expected goals of that regression; rates of
    pulling are events by seconds at risk.

    Args:
        moments: of all games.
        facts: of `moments.facts_frame`.
        sums: of `moments.season_sums`.
    """
    spans = _spans(moments, facts, sums)
    regulation = spans[~spans["is_overtime"]]
    both_in = regulation[~regulation["is_out"] & ~regulation["ends_out"]]
    effects = _regression(both_in)
    values: dict[str, Any] = effects | {"season_games": SEASON_GAMES, "game_pseudo_xg": GAME_PSEUDO_XG}
    values |= {"usual_goals": float(facts["goals"].mean()), "level_games": LEVEL_GAMES}
    values["manpower"] = _manpower(both_in, _expected(both_in, effects), 5, _LEAST_S)
    overtime = spans[spans["is_overtime"] & ~spans["is_playoffs"]]
    values["overtime_rate"] = float(
        overtime[["home_goals", "away_goals"]].to_numpy().sum() / overtime["seconds"].sum() / 2
    )
    usual = overtime["seconds"] * values["overtime_rate"]
    values["overtime_manpower"] = _manpower(overtime, (usual, usual), 3, _LEAST_OVERTIME_S)
    values["overtime_strength"] = _overtime_strength(overtime, effects)
    return Parameters(**values, **_pulled(regulation))


def _spans(moments: pd.DataFrame, facts: pd.DataFrame, sums: dict[int, tuple[SeasonSums, SeasonSums]]) -> pd.DataFrame:
    """Return one row per time between two plays: what is known at its start, its seconds, the goals at its end."""
    spans = moments.copy()
    following = moments.groupby("game_id")[["second", "code", "goal_code", "home_goals", "away_goals"]].shift(-1)
    spans["seconds"] = following["second"] - spans["second"]
    spans["end_code"] = following["goal_code"].fillna(following["code"])
    spans[["home_goals", "away_goals"]] = following[["home_goals", "away_goals"]]
    spans = spans[spans["seconds"] > 0].join(facts["is_playoffs"], on="game_id")
    spans["is_overtime"] = spans["second"] >= END
    ratios = {game_id: season_ratios(SEASON_GAMES, *both) for game_id, both in sums.items()}
    spans["season_xg"], spans["season_goals"] = (
        spans["game_id"].map({game_id: pair[i] for game_id, pair in ratios.items()}) for i in (0, 1)
    )
    spans["game_xg"] = np.log((spans["home_xg"] + GAME_PSEUDO_XG) / (spans["away_xg"] + GAME_PSEUDO_XG))
    spans["out"] = _out(spans["situation"])
    spans["end_out"] = np.where(spans["end_code"].isna(), spans["out"], _out(spans["end_code"]))
    spans["is_out"], spans["ends_out"] = spans["out"] != 0, spans["end_out"] != 0
    until = [min((*a, *h), default=np.inf) for a, h in zip(spans["away_until"], spans["home_until"], strict=True)]
    spans["special_s"] = np.minimum(spans["seconds"], np.array(until) - spans["second"])
    return spans


def _out(codes: "pd.Series[Any]") -> npt.NDArray[np.int_]:
    """Return whose goalie is out: 1 the home team's, -1 the away team's, 0 neither's."""
    names = {code: situation_of(code, is_home=True) for code in codes.dropna().unique()}
    out = {code: int(seen.extra_attacker) - int(seen.empty_net) for code, seen in names.items() if seen}
    return np.asarray(codes.map(out).fillna(0).astype(int))


def _design(spans: pd.DataFrame, *, is_home: bool) -> Numbers:
    """Return the regressors of a team's log rate, the first being 1: shape (rows, 1 + effects + ratios)."""
    lead = spans["lead"].to_numpy() * (1 if is_home else -1)
    second = spans["second"].to_numpy()
    late = second >= 2 * PERIOD_SECONDS
    half = 0.5 if is_home else -0.5
    effects = {
        "playoffs": spans["is_playoffs"].to_numpy(),
        "second_period": (second >= PERIOD_SECONDS) & ~late,
        "third_period": late,
        "ahead_by_two": lead >= 2,
        "behind_by_two": lead <= -2,
        "ahead_by_one_late": late & (lead == 1),
        "behind_by_one_late": late & (lead == -1),
        "tied_last_ten": (second >= END - 600) & (lead == 0),
        "tied_last_five": (second >= END - 300) & (lead == 0),
    }
    ratios = {"home": np.ones(len(spans)), **{name: spans[name].to_numpy() for name in _RATIOS[1:]}}
    columns = [np.ones(len(spans)), *(effects[name] for name in _EFFECTS), *(half * ratios[name] for name in _RATIOS)]
    return np.column_stack(columns).astype(float)


def _regression(spans: pd.DataFrame) -> dict[str, float]:
    """Return the effects that maximise the likelihood, by Newton's method."""
    minutes = spans.assign(minute=spans["second"] // 60)
    grouped = minutes.groupby(["game_id", "minute", "lead"], as_index=False).agg(
        dict.fromkeys(("second", "is_playoffs", *_RATIOS[1:]), "first")
        | dict.fromkeys(("seconds", "home_goals", "away_goals"), "sum")
    )
    regressors = np.concatenate([_design(grouped, is_home=is_home) for is_home in (True, False)])
    goals = np.concatenate([grouped["home_goals"], grouped["away_goals"]])
    seconds = np.tile(grouped["seconds"].to_numpy(), 2)
    weights = np.zeros(regressors.shape[1])
    weights[0] = np.log(goals.sum() / seconds.sum())
    for _ in range(20):
        expected = seconds * np.exp(regressors @ weights)
        step = np.linalg.solve((regressors * expected[:, None]).T @ regressors, regressors.T @ (goals - expected))
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    return {"rate": float(np.exp(weights[0])), **dict(zip((*_EFFECTS, *_RATIOS), map(float, weights[1:]), strict=True))}


def _expected(spans: pd.DataFrame, effects: dict[str, float]) -> "tuple[pd.Series[float], pd.Series[float]]":
    """Return the goals of the home and the away team that the regression expects."""
    weights = np.array([np.log(effects["rate"]), *(effects[name] for name in (*_EFFECTS, *_RATIOS))])
    home, away = (spans["seconds"] * np.exp(_design(spans, is_home=is_home) @ weights) for is_home in (True, False))
    return home, away


def _manpower(
    spans: pd.DataFrame, expected: "tuple[pd.Series[float], pd.Series[float]]", full: int, least_s: int
) -> dict[str, float]:
    """Return goals by expected goals for each manpower but `full` against `full`, seen from both benches.

    A manpower of fewer than `least_s` seconds is left out.
    """
    share = spans["special_s"] / spans["seconds"]
    rows = []
    for code in spans["situation"].dropna().unique():
        now = situation_of(code, is_home=True)
        if now is None or now.friendly_skaters == now.opposing_skaters == full:
            continue
        of_code = spans["situation"] == code
        in_time = of_code & (share >= 1)  # a goal at the end came with this manpower
        home, away = now.friendly_skaters, now.opposing_skaters
        for own, other, goals, chances in (
            (home, away, "home_goals", expected[0]),
            (away, home, "away_goals", expected[1]),
        ):
            row = (spans["special_s"][of_code].sum(), spans[goals][in_time].sum(), (chances * share)[of_code].sum())
            rows.append((f"{own}v{other}", *row))
    table = pd.DataFrame(rows, columns=["manpower", "seconds", "goals", "expected"]).groupby("manpower").sum()
    enough = table[table["seconds"] >= least_s]
    return dict(zip(map(str, enough.index), (enough["goals"] / enough["expected"]).tolist(), strict=True))


def _overtime_strength(spans: pd.DataFrame, effects: dict[str, float]) -> float:
    """Return what share of the strength shows at three against three, from 0 to 1, by the likelihood of its goals."""
    strength = sum(effects[name] * spans[name] for name in _RATIOS[1:])
    home, away = spans["home_goals"] > 0, spans["away_goals"] > 0
    shares = np.linspace(0, 1, 21)
    sign = home.astype(int) - away.astype(int)
    likelihood = [-np.log1p(np.exp(-sign * share * strength))[sign != 0].sum() for share in shares]
    return float(shares[int(np.argmax(likelihood))])


def _pulled(spans: pd.DataFrame) -> dict[str, Any]:
    """Return what is known of pulled goalies of trailing teams, as fields of `Parameters`."""
    late = spans[(spans["second"] >= END - PULLED_LAST_S) & (spans["lead"] != 0)].copy()
    trails = -np.sign(late["lead"])  # 1: the home team
    late["behind"] = late["lead"].abs().clip(upper=_MOST_BEHIND)
    late["was_out"], late["now_out"] = late["out"] == trails, late["end_out"] == trails
    late["out_s"] = late["seconds"] * (late["was_out"].astype(float) + late["now_out"]) / 2
    late["for"] = np.where(trails > 0, late["home_goals"], late["away_goals"]) * late["now_out"]
    late["against"] = np.where(trails > 0, late["away_goals"], late["home_goals"]) * late["now_out"]
    late["returns"] = late["was_out"] & ~late["now_out"] & (late["home_goals"] + late["away_goals"] == 0)
    late["more"] = (late["situation"].map(_more_skaters) * trails).clip(-1, 1)
    behinds = range(1, _MOST_BEHIND + 1)
    found: dict[str, Any] = {"pull": tuple(_pulling(late[late["behind"] == n]) for n in behinds)}
    for field, event in (("pulled_for", "for"), ("pulled_against", "against"), ("pull_return", "returns")):
        found[field] = tuple(_per_second(late, event, late["behind"] == n) for n in behinds)
    for event, sign in (("for", 1), ("against", -1)):
        usual = float(late[event].sum() / late["out_s"].sum())
        by_more = {str(sign * n): _per_second(late, event, late["more"] == n) / usual for n in (-1, 1)}
        found[f"pulled_{event}_manpower"] = {"0": 1.0} | by_more
    return found


def _per_second(late: pd.DataFrame, event: str, mask: "pd.Series[bool]") -> float:
    """Return how often something happens while the goalie is out, shrunk to its usual rate where that is rare."""
    usual = late[event].sum() / late["out_s"].sum()
    seconds = late["out_s"][mask].sum()
    return float((late[event][mask].sum() + usual * _SHRINKING_S) / (seconds + _SHRINKING_S))


def _more_skaters(code: str | None) -> int:
    """Return how many more skaters the home team has, extra attackers left out."""
    now = situation_of(code, is_home=True)
    if now is None:
        return 0
    return (now.friendly_skaters - now.extra_attacker) - (now.opposing_skaters - now.empty_net)


def _pulling(late: pd.DataFrame) -> tuple[float, ...]:
    """Return how often per second the goalie is pulled, by steps of the seconds left, the last step of the game first.

    A goalie who is out at the next play was pulled at some time since the last one: each second between is as likely.
    """
    pulls, at_risk = np.zeros(_STEPS), np.zeros(_STEPS)
    in_net = late[~late["was_out"]]
    for second, seconds, is_out in zip(in_net["second"], in_net["seconds"], in_net["now_out"], strict=True):
        for at in range(int(second), int(second + seconds)):
            step = (END - 1 - at) // PULL_STEP_S
            at_risk[step] += 0.5 if is_out else 1.0
            pulls[step] += is_out / seconds
    pulls, at_risk = (np.convolve(np.pad(counts, 1, "edge"), _SMOOTHED, "valid") for counts in (pulls, at_risk))
    return tuple((pulls / np.maximum(at_risk, 1.0)).tolist())
