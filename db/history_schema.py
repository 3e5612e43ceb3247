"""The tables and views of history.db: each migration brings a file one version further."""

from typing import Final

# Where `game_totals` divides probabilities. To change them takes a migration that fills the table anew.
PROBABILITY_STEPS: Final = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.3, 0.5)
_STEP: Final = " + ".join(f"(probability >= {step})" for step in PROBABILITY_STEPS)
SUMS_OF_SHOTS: Final = f"""
    SELECT game_id, model, is_home, {_STEP}, count(*), sum(probability), sum(is_goal),
        -sum(ln(max(iif(is_goal, probability, 1 - probability), 1e-15))), sum(probability * (1 - probability))
    FROM shot_probabilities WHERE probability IS NOT NULL AND status <> 'retracted'
"""  # noqa: S608 - the steps above
SUM_UP_ALL_GAMES: Final = (
    """
    INSERT INTO step_totals
    SELECT t.model, season, competition, step, sum(shots), sum(xg), sum(goals), sum(log_loss), sum(variance)
    FROM game_totals t JOIN games USING (game_id) GROUP BY 1, 2, 3, 4;
    """,
    """
    INSERT INTO team_totals
    SELECT model, season, competition, team, count(*), sum(xg), sum(goals), sum(xg_against), sum(goals_against)
    FROM team_games GROUP BY 1, 2, 3, 4;
    """,
)

SEARCHED_NAMES: Final = "home_name || ' ' || home_abbrev || ' ' || away_name || ' ' || away_abbrev"
# For games stored before their date was: by the rule of summer time since 2007, from the second Sunday of March to the
# first one of November.
_NEW_YORK_DATE: Final = """
    date(start_time, iif(
        start_time >= date(substr(start_time, 1, 4) || '-03-08', 'weekday 0') || 'T07:00:00Z'
            AND start_time < date(substr(start_time, 1, 4) || '-11-01', 'weekday 0') || 'T06:00:00Z',
        '-4 hours', '-5 hours'
    ))
"""


_FIVE_ON_FIVE: Final = "s.features ->> 'strength_state' = '5v5'"


def _shot_probabilities(amended_at: str, is_5v5: str = _FIVE_ON_FIVE) -> str:
    return f"""
    DROP VIEW shot_probabilities;
    CREATE VIEW shot_probabilities AS
    SELECT
        s.game_id, s.event_id, s.position, s.period, s.seconds,
        format('%02d:%02d', s.seconds / 60, s.seconds % 60) AS time,
        iif(s.is_home, g.home_abbrev, g.away_abbrev) AS team,
        iif(s.is_home, g.away_abbrev, g.home_abbrev) AS opponent, s.is_home,
        s.shooter_id, s.shooter, s.goalie_id, s.goalie, s.outcome, s.outcome = 'goal' AS is_goal,
        s.features ->> 'shot_type' AS shot_type,
        s.features ->> 'x' AS x, s.features ->> 'y' AS y,
        round(s.features ->> 'distance', 1) AS distance, round(s.features ->> 'angle', 1) AS angle,
        s.features ->> 'strength_state' AS strength, s.empty_net, s.penalty_shot,
        CASE
            WHEN s.penalty_shot THEN 'penalty shot'
            WHEN s.empty_net THEN 'empty net'
            WHEN s.features ->> 'strength_state' IS NULL THEN 'not told'
            WHEN {is_5v5} THEN '5v5'
            WHEN s.features ->> 'extra_attacker' THEN 'extra attacker'
            WHEN s.features ->> 'friendly_skaters' > s.features ->> 'opposing_skaters' THEN 'power play'
            WHEN s.features ->> 'friendly_skaters' < s.features ->> 'opposing_skaters' THEN 'short-handed'
            ELSE 'other even'
        END AS situation,  -- each shot is in one of them
        m.model, p.probability, p.predicted_at,
        CASE
            WHEN s.retracted_at IS NOT NULL THEN 'retracted'
            WHEN p.probability IS NULL THEN 'pending'
            WHEN {amended_at} IS NOT NULL THEN 'amended'
            ELSE 'scored'
        END AS status,
        s.missing, s.features
    FROM shots s
    JOIN games g USING (game_id)
    LEFT JOIN models m ON m.model = g.model
        OR m.model IN (SELECT o.model FROM game_models o WHERE o.game_id = s.game_id)
    LEFT JOIN predictions p ON p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = m.model
    WHERE m.population IS NOT 'on-goal' OR s.outcome <> 'missed-shot';
    """  # noqa: S608 - a column


def _sums_beside_goals(xg_minus_goals: str, goals_minus_xg: str) -> str:
    return f"""
    DROP VIEW IF EXISTS xg_by_team;
    CREATE VIEW xg_by_team AS
    SELECT
        game_id, model, team, max(is_home) AS is_home,
        total(probability) AS xg, sum(is_goal) AS goals, {xg_minus_goals} AS difference,
        count(*) AS shots, sum(status = 'pending') AS pending,
        total(probability) FILTER (WHERE situation = '5v5') AS xg_5v5,
        coalesce(sum(is_goal) FILTER (WHERE situation = '5v5'), 0) AS goals_5v5,
        total(probability) FILTER (WHERE situation = 'empty net') AS xg_empty_net,
        coalesce(sum(is_goal) FILTER (WHERE situation = 'empty net'), 0) AS goals_empty_net,
        total(probability) FILTER (WHERE situation = 'penalty shot') AS xg_penalty_shots,
        coalesce(sum(is_goal) FILTER (WHERE situation = 'penalty shot'), 0) AS goals_penalty_shots
    FROM shot_probabilities
    WHERE status <> 'retracted'
    GROUP BY game_id, model, team;

    DROP VIEW IF EXISTS xg_by_shooter;
    CREATE VIEW xg_by_shooter AS
    SELECT game_id, model, team, max(is_home) AS is_home, shooter_id, shooter,
        count(*) AS shots, sum(status = 'pending') AS pending, sum(outcome <> 'missed-shot') AS on_goal,
        total(probability) AS xg, sum(is_goal) AS goals, {goals_minus_xg} AS goals_above_expected
    FROM shot_probabilities WHERE status <> 'retracted'
    GROUP BY game_id, model, team, coalesce(shooter_id, shooter);

    DROP VIEW IF EXISTS xg_by_goalie;
    -- Of the attempts that the feed says a goalie faced. Some seasons name no goalie on misses.
    CREATE VIEW xg_by_goalie AS
    SELECT game_id, model, opponent AS team, NOT max(is_home) AS is_home, goalie_id, goalie,
        count(*) AS shots, sum(status = 'pending') AS pending, sum(outcome <> 'missed-shot') AS on_goal,
        total(probability) AS xg, sum(is_goal) AS goals, {xg_minus_goals} AS saved_above_expected,
        total(probability * (1 - probability)) AS variance  -- of the goals, were each shot a coin with its xG
    FROM shot_probabilities WHERE status <> 'retracted' AND goalie IS NOT NULL AND NOT empty_net
    GROUP BY game_id, model, opponent, coalesce(goalie_id, goalie);
    """  # noqa: S608 - sums of columns


MIGRATIONS: Final = (
    """
    CREATE TABLE games (
        game_id INTEGER PRIMARY KEY,
        season INTEGER NOT NULL,
        game_type INTEGER NOT NULL,
        start_time TEXT NOT NULL,
        home_id INTEGER NOT NULL,
        home_abbrev TEXT NOT NULL,
        home_name TEXT NOT NULL,
        home_score INTEGER NOT NULL,
        away_id INTEGER NOT NULL,
        away_abbrev TEXT NOT NULL,
        away_name TEXT NOT NULL,
        away_score INTEGER NOT NULL,
        state TEXT NOT NULL,
        period INTEGER NOT NULL,
        period_type TEXT NOT NULL,
        seconds_left INTEGER NOT NULL,
        in_intermission INTEGER NOT NULL,
        pinged_at TEXT NOT NULL,
        model TEXT REFERENCES models (model)  -- the one that the last complete ping scored with
    ) STRICT;

    CREATE TABLE models (
        model TEXT PRIMARY KEY,  -- workspace/name:version@sha256:digest, as the service reports it
        population TEXT NOT NULL CHECK (population IN ('unblocked', 'on-goal')),
        first_used_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE shots (
        game_id INTEGER NOT NULL REFERENCES games (game_id),
        event_id INTEGER NOT NULL,
        position INTEGER NOT NULL,  -- in the feed's latest answer; the league re-orders, so it identifies nothing
        period INTEGER NOT NULL,
        seconds INTEGER NOT NULL,
        is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),  -- whether the home team shot
        shooter TEXT,
        goalie TEXT,
        outcome TEXT NOT NULL CHECK (outcome IN ('goal', 'shot-on-goal', 'missed-shot')),
        penalty_shot INTEGER NOT NULL CHECK (penalty_shot IN (0, 1)),
        empty_net INTEGER NOT NULL CHECK (empty_net IN (0, 1)),
        features TEXT NOT NULL CHECK (json_valid(features)),
        missing TEXT,  -- inputs that the feed has not told yet
        first_seen_at TEXT NOT NULL,
        amended_at TEXT,  -- since when its inputs differ from those that were scored
        retracted_at TEXT,  -- since when the feed no longer has it
        PRIMARY KEY (game_id, event_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE predictions (
        game_id INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        model TEXT NOT NULL REFERENCES models (model),
        probability REAL NOT NULL CHECK (probability BETWEEN 0 AND 1),
        inputs TEXT NOT NULL CHECK (json_valid(inputs)),  -- the shot's features when it was scored
        predicted_at TEXT NOT NULL,
        PRIMARY KEY (game_id, event_id, model),
        FOREIGN KEY (game_id, event_id) REFERENCES shots (game_id, event_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE corrections (
        correction_id INTEGER PRIMARY KEY,
        game_id INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        what TEXT NOT NULL CHECK (what IN ('retracted', 'restored', 'outcome', 'amended')),
        before TEXT,
        after TEXT,
        corrected_at TEXT NOT NULL,
        FOREIGN KEY (game_id, event_id) REFERENCES shots (game_id, event_id)
    ) STRICT;
    CREATE INDEX corrections_by_game ON corrections (game_id, event_id);

    -- Every shot that a model is to score, with its probability, NULL while it is pending. A game that no model has
    -- scored yet has its shots under the model NULL.
    CREATE VIEW shot_probabilities AS
    SELECT
        s.game_id, s.event_id, s.position, s.period, s.seconds,
        format('%02d:%02d', s.seconds / 60, s.seconds % 60) AS time,
        iif(s.is_home, g.home_abbrev, g.away_abbrev) AS team, s.is_home,
        s.shooter, s.goalie, s.outcome, s.outcome = 'goal' AS is_goal,
        s.features ->> 'shot_type' AS shot_type,
        s.features ->> 'x' AS x, s.features ->> 'y' AS y,
        round(s.features ->> 'distance', 1) AS distance, round(s.features ->> 'angle', 1) AS angle,
        s.features ->> 'strength_state' AS strength, s.empty_net, s.penalty_shot,
        m.model, p.probability, p.predicted_at,
        CASE
            WHEN s.retracted_at IS NOT NULL THEN 'retracted'
            WHEN p.probability IS NULL THEN 'pending'
            WHEN s.amended_at IS NOT NULL THEN 'amended'
            ELSE 'scored'
        END AS status,
        s.missing, s.features
    FROM shots s
    JOIN games g USING (game_id)
    LEFT JOIN models m ON m.model = g.model
        OR EXISTS (SELECT 1 FROM predictions o WHERE o.game_id = s.game_id AND o.model = m.model)
    LEFT JOIN predictions p ON p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = m.model
    WHERE m.population IS NOT 'on-goal' OR s.outcome <> 'missed-shot';

    -- xG beside goals, for each team of each game under each model. Sums never mix models.
    CREATE VIEW xg_by_team AS
    SELECT
        game_id, model, team, max(is_home) AS is_home,
        total(probability) AS xg, sum(is_goal) AS goals, total(probability) - sum(is_goal) AS difference,
        count(*) AS shots, sum(status = 'pending') AS pending,
        total(probability) FILTER (WHERE strength = '5v5') AS xg_5v5,
        sum(is_goal) FILTER (WHERE strength = '5v5') AS goals_5v5,
        total(probability) FILTER (WHERE empty_net) AS xg_empty_net,
        coalesce(sum(is_goal) FILTER (WHERE empty_net), 0) AS goals_empty_net,
        total(probability) FILTER (WHERE penalty_shot) AS xg_penalty_shots,
        coalesce(sum(is_goal) FILTER (WHERE penalty_shot), 0) AS goals_penalty_shots
    FROM shot_probabilities
    WHERE status <> 'retracted'
    GROUP BY game_id, model, team;

    -- Which model scored what, and when.
    CREATE VIEW scoring_log AS
    SELECT model, game_id, count(*) AS shots, min(predicted_at) AS first_scored, max(predicted_at) AS last_scored
    FROM predictions
    GROUP BY model, game_id;

    -- What the league took back or changed, in words.
    CREATE VIEW correction_log AS
    SELECT c.corrected_at, c.game_id, c.event_id, s.period,
        format('%02d:%02d', s.seconds / 60, s.seconds % 60) AS time, s.shooter, c.what, c.before, c.after
    FROM corrections c JOIN shots s USING (game_id, event_id);
    """,
    f"""
    ALTER TABLE games ADD COLUMN problems TEXT;  -- what of the feed's latest answer could not be read
    -- Of the feed's answer, the code that read it and the model, once all of it was scored; NULL while it is not.
    ALTER TABLE games ADD COLUMN fingerprint TEXT;
    CREATE INDEX games_by_start ON games (start_time);
    CREATE INDEX games_by_season ON games (season);
    ALTER TABLE shots ADD COLUMN shooter_id INTEGER;  -- the league's: two players of one team may share a name
    ALTER TABLE shots ADD COLUMN goalie_id INTEGER;

    CREATE TABLE power_plays (
        game_id INTEGER NOT NULL REFERENCES games (game_id),
        start_s INTEGER NOT NULL,  -- seconds of the game, as end_s
        end_s INTEGER NOT NULL CHECK (end_s > start_s),
        is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),
        PRIMARY KEY (game_id, start_s)
    ) STRICT, WITHOUT ROWID;

    -- The models that have scored a shot of a game: to gather them from the predictions takes longer with every model.
    CREATE TABLE game_models (
        game_id INTEGER NOT NULL REFERENCES games (game_id),
        model TEXT NOT NULL REFERENCES models (model),
        PRIMARY KEY (game_id, model)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO game_models SELECT DISTINCT game_id, model FROM predictions;

    -- Sums of a game's scored shots, by team and by probability: step n holds what lies between two of
    -- PROBABILITY_STEPS. Kept in step with each change of the game, so that a look at all games costs as much as there
    -- are games, not shots.
    CREATE TABLE game_totals (
        game_id INTEGER NOT NULL REFERENCES games (game_id),
        model TEXT NOT NULL REFERENCES models (model),
        is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),
        step INTEGER NOT NULL,
        shots INTEGER NOT NULL,
        xg REAL NOT NULL,
        goals INTEGER NOT NULL,
        log_loss REAL NOT NULL,  -- the sum over the shots
        PRIMARY KEY (game_id, model, is_home, step)
    ) STRICT, WITHOUT ROWID;

    {_shot_probabilities("s.amended_at")}

    {_sums_beside_goals("total(probability) - sum(is_goal)", "sum(is_goal) - total(probability)")}

    -- The same sums, divided otherwise.
    CREATE VIEW xg_by_period AS
    SELECT game_id, model, team, max(is_home) AS is_home, period,
        count(*) AS shots, sum(status = 'pending') AS pending, total(probability) AS xg, sum(is_goal) AS goals
    FROM shot_probabilities WHERE status <> 'retracted'
    GROUP BY game_id, model, team, period;

    CREATE VIEW xg_by_situation AS
    SELECT game_id, model, team, max(is_home) AS is_home, situation,
        count(*) AS shots, sum(status = 'pending') AS pending, total(probability) AS xg, sum(is_goal) AS goals
    FROM shot_probabilities WHERE status <> 'retracted'
    GROUP BY game_id, model, team, situation;

    -- Each goal with its xG and the score after it.
    CREATE VIEW goal_log AS
    SELECT game_id, model, event_id, position, period, seconds, time, team, is_home,
        shooter, goalie, shot_type, distance, situation, probability, status,
        sum(NOT is_home) OVER counted AS away_score, sum(is_home) OVER counted AS home_score
    FROM shot_probabilities WHERE is_goal AND status <> 'retracted'
    WINDOW counted AS (PARTITION BY game_id, model ORDER BY period, seconds, position ROWS UNBOUNDED PRECEDING);
    """,  # noqa: S608 - the select above
    f"""
    ALTER TABLE predictions ADD COLUMN amended_at TEXT;  -- since when the shot's features differ from `inputs`
    UPDATE predictions SET amended_at = (
        SELECT s.amended_at FROM shots s WHERE s.game_id = predictions.game_id AND s.event_id = predictions.event_id
    ) WHERE (game_id, event_id) IN (SELECT game_id, event_id FROM shots WHERE amended_at IS NOT NULL);
    {_shot_probabilities("p.amended_at")}
    ALTER TABLE shots DROP COLUMN amended_at;

    -- Each game twice, once for each of its teams, under each model that has scored a shot of it.
    CREATE VIEW team_games AS
    SELECT t.game_id, t.model, g.season, g.start_time, iif(side, g.home_abbrev, g.away_abbrev) AS team,
        iif(side, g.away_abbrev, g.home_abbrev) AS opponent, side AS is_home,
        total(t.xg) FILTER (WHERE t.is_home = side) AS xg,
        coalesce(sum(t.goals) FILTER (WHERE t.is_home = side), 0) AS goals,
        total(t.xg) FILTER (WHERE t.is_home <> side) AS xg_against,
        coalesce(sum(t.goals) FILTER (WHERE t.is_home <> side), 0) AS goals_against
    FROM game_totals t JOIN games g USING (game_id) CROSS JOIN (SELECT 0 AS side UNION ALL SELECT 1)
    GROUP BY t.game_id, t.model, side;

    -- Sums of `game_totals` and `team_games` over all games, kept in step with them, so that a look at the whole
    -- history costs the same however long it is. A row whose last game was taken out stays, with zeros.
    CREATE TABLE step_totals (
        model TEXT NOT NULL REFERENCES models (model),
        step INTEGER NOT NULL,
        shots INTEGER NOT NULL,
        xg REAL NOT NULL,
        goals INTEGER NOT NULL,
        log_loss REAL NOT NULL,
        PRIMARY KEY (model, step)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE team_totals (
        model TEXT NOT NULL REFERENCES models (model),
        season INTEGER NOT NULL,
        team TEXT NOT NULL,
        games INTEGER NOT NULL,
        xg REAL NOT NULL,
        goals INTEGER NOT NULL,
        xg_against REAL NOT NULL,
        goals_against INTEGER NOT NULL,
        PRIMARY KEY (model, season, team)
    ) STRICT, WITHOUT ROWID;
    """,  # noqa: S608 - the statements above
    # Five of whom one is an extra attacker are no 5v5, and goals that are not scored yet do not count against xG.
    f"""
    {_shot_probabilities("p.amended_at", f"{_FIVE_ON_FIVE} AND s.features ->> 'extra_attacker' IS NOT 1")}
    {_sums_beside_goals("total(probability - is_goal)", "total(is_goal - probability)")}
    """,
    f"""
    ALTER TABLE games ADD COLUMN game_date TEXT NOT NULL DEFAULT '';  -- the league's: the day in New York
    UPDATE games SET game_date = {_NEW_YORK_DATE};
    CREATE INDEX games_by_date ON games (game_date);
    ALTER TABLE games ADD COLUMN search_names TEXT NOT NULL DEFAULT '';  -- names and abbreviations, as people type them
    UPDATE games SET search_names = folded({SEARCHED_NAMES});
    -- What sums over games are told apart by: regular season and playoffs are one, whatever else is played is not.
    ALTER TABLE games ADD COLUMN competition TEXT GENERATED ALWAYS AS (
        CASE WHEN game_type IN (2, 3) THEN 'season' WHEN game_type = 1 THEN 'preseason'
            WHEN game_type IN (4, 12) THEN 'all-star' WHEN game_type = 9 THEN 'olympics'
            WHEN game_type IN (19, 20) THEN '4 nations' ELSE 'other' END
    ) VIRTUAL;
    ALTER TABLE models ADD COLUMN trained_on TEXT;  -- seasons, as a JSON list; NULL if its card does not tell

    DROP VIEW team_games;
    CREATE VIEW team_games AS
    SELECT t.game_id, t.model, g.season, g.competition, g.game_date, g.start_time,
        iif(side, g.home_abbrev, g.away_abbrev) AS team,
        iif(side, g.away_abbrev, g.home_abbrev) AS opponent, side AS is_home,
        total(t.xg) FILTER (WHERE t.is_home = side) AS xg,
        coalesce(sum(t.goals) FILTER (WHERE t.is_home = side), 0) AS goals,
        total(t.xg) FILTER (WHERE t.is_home <> side) AS xg_against,
        coalesce(sum(t.goals) FILTER (WHERE t.is_home <> side), 0) AS goals_against
    FROM game_totals t JOIN games g USING (game_id) CROSS JOIN (SELECT 0 AS side UNION ALL SELECT 1)
    GROUP BY t.game_id, t.model, side;

    -- All sums are made anew: those over all games by season and competition, and with what luck may add to them.
    DELETE FROM game_totals;
    ALTER TABLE game_totals ADD COLUMN variance REAL NOT NULL DEFAULT 0;  -- of the goals, were each shot a coin
    INSERT INTO game_totals {SUMS_OF_SHOTS} GROUP BY 1, 2, 3, 4;

    DROP TABLE step_totals;
    CREATE TABLE step_totals (
        model TEXT NOT NULL REFERENCES models (model),
        season INTEGER NOT NULL,
        competition TEXT NOT NULL,
        step INTEGER NOT NULL,
        shots INTEGER NOT NULL,
        xg REAL NOT NULL,
        goals INTEGER NOT NULL,
        log_loss REAL NOT NULL,
        variance REAL NOT NULL,
        PRIMARY KEY (model, season, competition, step)
    ) STRICT, WITHOUT ROWID;

    DROP TABLE team_totals;
    CREATE TABLE team_totals (
        model TEXT NOT NULL REFERENCES models (model),
        season INTEGER NOT NULL,
        competition TEXT NOT NULL,
        team TEXT NOT NULL,
        games INTEGER NOT NULL,
        xg REAL NOT NULL,
        goals INTEGER NOT NULL,
        xg_against REAL NOT NULL,
        goals_against INTEGER NOT NULL,
        PRIMARY KEY (model, season, competition, team)
    ) STRICT, WITHOUT ROWID;
    {"".join(SUM_UP_ALL_GAMES)}
    """,  # noqa: S608 - the statements above
    # What the feed tells of a game's schedule and end, and whom it does not name.
    """
    -- 0: the time of day in start_time stands for one that is to be announced
    ALTER TABLE games ADD COLUMN start_is_known INTEGER NOT NULL DEFAULT 1 CHECK (start_is_known IN (0, 1));
    ALTER TABLE games ADD COLUMN overtime_seconds INTEGER;  -- how long one is by the feed's clock, once it shows that
    -- 0: the plays do not reach the end of the game
    ALTER TABLE games ADD COLUMN has_end INTEGER NOT NULL DEFAULT 1 CHECK (has_end IN (0, 1));
    ALTER TABLE games ADD COLUMN ended_at TEXT;  -- when a ping saw it end, or become official
    ALTER TABLE games ADD COLUMN stale_at TEXT;  -- until when the feed has nothing newer, by its own word
    ALTER TABLE games ADD COLUMN time_stamp TEXT;  -- of the latest answer, where the feed dates it
    -- Event ids of all plays in the latest answer, those of plays that were there before, and the last clock that is
    -- sure (see livegame/staleness.py); NULL if unknown.
    ALTER TABLE games ADD COLUMN events TEXT;
    UPDATE shots SET shooter = 'Player ' || shooter_id WHERE shooter IS NULL AND shooter_id > 0;
    UPDATE shots SET goalie = 'Player ' || goalie_id WHERE goalie IS NULL AND goalie_id > 0;
    -- Somebody who deletes rows has them asked for again by the next ping, though the feed has nothing new.
    CREATE TRIGGER predictions_deleted AFTER DELETE ON predictions BEGIN
        UPDATE games SET fingerprint = NULL WHERE game_id = OLD.game_id;
    END;
    CREATE TRIGGER shots_deleted AFTER DELETE ON shots BEGIN
        UPDATE games SET fingerprint = NULL WHERE game_id = OLD.game_id;
    END;
    """,
)
