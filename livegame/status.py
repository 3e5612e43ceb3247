"""Where a game stands, as one line for people."""

from livegame.plays import REGULATION_PERIODS, GameState


def status_line(state: GameState, period: int, period_type: str, seconds_left: int, *, in_intermission: bool) -> str:
    """Return where the game stands: "Period 1 - 12:35 left", "Intermission after period 2", "Final (2OT)".

    `seconds_left` are those of the period, or of the intermission.
    """
    if state in (GameState.OVER, GameState.FINAL):
        how = {"OT": f" ({overtime_name(period)})", "SO": " (shootout)"}.get(period_type, "")
        return f"Final{how}" + (", not official" if state is GameState.OVER else "")
    if state is not GameState.LIVE:
        return state.value.capitalize()
    if period == 0:
        return GameState.NOT_STARTED.value.capitalize()
    if period_type == "SO":
        return "Shootout"
    name = _overtime(period) if period_type == "OT" else f"Period {period}"
    left = f"{seconds_left // 60:02d}:{seconds_left % 60:02d}"
    if in_intermission:
        after = name[0].lower() + name[1:]
        return f"Intermission after {after}" + (f" - {left} left" if seconds_left else "")
    return f"{name} - {left} left"


def overtime_name(period: int) -> str:
    """Return an overtime's short name: "OT", "2OT"."""
    number = period - REGULATION_PERIODS
    return "OT" if number <= 1 else f"{number}OT"


def short_status(state: GameState, period: int, period_type: str, seconds_left: int, *, in_intermission: bool) -> str:
    """Return `status_line` in a few characters: "P1 12:35", "After P2 9:40", "OT 4:19", "Final (SO)"."""
    line = status_line(state, period, period_type, seconds_left, in_intermission=in_intermission)
    if state in (GameState.OVER, GameState.FINAL):
        return line.removesuffix(", not official").replace("shootout", "SO")
    if state is not GameState.LIVE or period == 0:
        return line
    if period_type == "SO":
        return "Shootout"
    overtime = period - REGULATION_PERIODS
    name = f"P{period}" if period_type != "OT" else "OT" if overtime <= 1 else f"{overtime}OT"
    left = f" {seconds_left // 60}:{seconds_left % 60:02d}"
    if in_intermission:
        return f"After {name}" + (left if seconds_left else "")
    return name + left


def _overtime(period: int) -> str:
    number = period - REGULATION_PERIODS
    return "Overtime" if number <= 1 else f"Overtime {number}"
