-- Version 6. Versions 2 to 5 were never released, so this script brings a file of version 1 straight here.

DROP VIEW xg_by_team;
DROP VIEW shot_probabilities;


-- Tables

ALTER TABLE games ADD COLUMN problems TEXT;  -- parts of the feed's latest answer that could not be read
-- Of the feed's answer, the code that read it and the model, once every shot is scored; NULL until then.
ALTER TABLE games ADD COLUMN fingerprint TEXT;
ALTER TABLE games ADD COLUMN game_date TEXT NOT NULL DEFAULT '';  -- the league's: the day in New York
ALTER TABLE games ADD COLUMN search_names TEXT NOT NULL DEFAULT '';  -- names and abbreviations in lower case, without accents
-- Sums over games are kept apart by this: regular season and playoffs are one competition.
ALTER TABLE games ADD COLUMN competition TEXT GENERATED ALWAYS AS (
    CASE WHEN game_type IN (2, 3) THEN 'season' WHEN game_type = 1 THEN 'preseason'
        WHEN game_type IN (4, 12) THEN 'all-star' WHEN game_type = 9 THEN 'olympics'
        WHEN game_type IN (19, 20) THEN '4 nations' ELSE 'other' END
) VIRTUAL;
-- 0: the time of day in start_time is a placeholder for one to be announced
ALTER TABLE games ADD COLUMN start_is_known INTEGER NOT NULL DEFAULT 1 CHECK (start_is_known IN (0, 1));
ALTER TABLE games ADD COLUMN overtime_seconds INTEGER;  -- length of an overtime by the feed's clock, once it shows one
-- 0: the plays do not reach the end of the game
ALTER TABLE games ADD COLUMN has_end INTEGER NOT NULL DEFAULT 1 CHECK (has_end IN (0, 1));
ALTER TABLE games ADD COLUMN ended_at TEXT;  -- when a ping saw it end, or become official
ALTER TABLE games ADD COLUMN stale_at TEXT;  -- until when the feed says that it has nothing newer
ALTER TABLE games ADD COLUMN time_stamp TEXT;  -- of the latest answer, where the feed dates it
-- Event ids of all plays in the latest answer, those of plays that were there before, and the last clock that is
-- certain (see livegame/staleness.py); NULL if unknown.
ALTER TABLE games ADD COLUMN events TEXT;
CREATE INDEX games_by_start ON games (start_time);
CREATE INDEX games_by_season ON games (season);
CREATE INDEX games_by_date ON games (game_date);

-- By the rule for daylight saving time since 2007: from the second Sunday of March to the first Sunday of November.
UPDATE games SET game_date = date(start_time, iif(
    start_time >= date(substr(start_time, 1, 4) || '-03-08', 'weekday 0') || 'T07:00:00Z'
        AND start_time < date(substr(start_time, 1, 4) || '-11-01', 'weekday 0') || 'T06:00:00Z',
    '-4 hours', '-5 hours'
));
-- Montréal's is the only accent in a team's name.
UPDATE games SET search_names = replace(
    lower(home_name || ' ' || home_abbrev || ' ' || away_name || ' ' || away_abbrev), 'é', 'e'
);

ALTER TABLE models ADD COLUMN trained_on TEXT;  -- seasons, as a JSON list; NULL if the model's card does not say

ALTER TABLE predictions ADD COLUMN amended_at TEXT;  -- since when the shot's features differ from `inputs`
UPDATE predictions SET amended_at = (
    SELECT s.amended_at FROM shots s WHERE s.game_id = predictions.game_id AND s.event_id = predictions.event_id
);
ALTER TABLE shots ADD COLUMN shooter_id INTEGER;  -- the league's: two players of one team may share a name
ALTER TABLE shots ADD COLUMN goalie_id INTEGER;
ALTER TABLE shots DROP COLUMN amended_at;

CREATE TABLE power_plays (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    start_s INTEGER NOT NULL,  -- seconds of the game, as end_s
    end_s INTEGER NOT NULL CHECK (end_s > start_s),
    is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),
    PRIMARY KEY (game_id, start_s)
) STRICT, WITHOUT ROWID;

-- The models that have scored a shot of a game. To collect them from the predictions takes longer with each model.
CREATE TABLE game_models (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    model TEXT NOT NULL REFERENCES models (model),
    PRIMARY KEY (game_id, model)
) STRICT, WITHOUT ROWID;

-- Sums of a game's scored shots, by team and by step of probability. Step 0 ends at 0.01, step 1 at 0.02 and so on; the
-- edges are below, where this table is filled. Each change of a game updates them, so that reading all games
-- costs in proportion to the games, not to their shots.
CREATE TABLE game_totals (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    model TEXT NOT NULL REFERENCES models (model),
    is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),
    step INTEGER NOT NULL,
    shots INTEGER NOT NULL,
    xg REAL NOT NULL,
    goals INTEGER NOT NULL,
    log_loss REAL NOT NULL,  -- the sum over the shots
    variance REAL NOT NULL DEFAULT 0,  -- of the goals, with each shot as a Bernoulli trial of probability xG
    PRIMARY KEY (game_id, model, is_home, step)
) STRICT, WITHOUT ROWID;

-- Sums of `game_totals` and `team_games` over all games, updated with them, so that reading the whole history costs the
-- same however long it is. A row whose last game was removed stays, with zeros.
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


-- Views

-- Every shot that a model is to score, with its probability, NULL while it is pending. A game that no model has
-- scored yet has its shots under the model NULL.
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
        WHEN s.features ->> 'strength_state' = '5v5' AND s.features ->> 'extra_attacker' IS NOT 1 THEN '5v5'
        WHEN s.features ->> 'extra_attacker' THEN 'extra attacker'
        WHEN s.features ->> 'friendly_skaters' > s.features ->> 'opposing_skaters' THEN 'power play'
        WHEN s.features ->> 'friendly_skaters' < s.features ->> 'opposing_skaters' THEN 'short-handed'
        ELSE 'other even'
    END AS situation,  -- each shot is in exactly one
    m.model, p.probability, p.predicted_at,
    CASE
        WHEN s.retracted_at IS NOT NULL THEN 'retracted'
        WHEN p.probability IS NULL THEN 'pending'
        WHEN p.amended_at IS NOT NULL THEN 'amended'
        ELSE 'scored'
    END AS status,
    s.missing, s.features
FROM shots s
JOIN games g USING (game_id)
LEFT JOIN models m ON m.model = g.model
    OR m.model IN (SELECT o.model FROM game_models o WHERE o.game_id = s.game_id)
LEFT JOIN predictions p ON p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = m.model
WHERE m.population IS NOT 'on-goal' OR s.outcome <> 'missed-shot';

-- xG beside goals, for each team of each game under each model. Sums never mix models, and goals of shots that are not
-- scored yet do not count against xG.
CREATE VIEW xg_by_team AS
SELECT
    game_id, model, team, max(is_home) AS is_home,
    total(probability) AS xg, sum(is_goal) AS goals, total(probability - is_goal) AS difference,
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

-- The same sums by period, by situation, by shooter and by goalie.
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

CREATE VIEW xg_by_shooter AS
SELECT game_id, model, team, max(is_home) AS is_home, shooter_id, shooter,
    count(*) AS shots, sum(status = 'pending') AS pending, sum(outcome <> 'missed-shot') AS on_goal,
    total(probability) AS xg, sum(is_goal) AS goals, total(is_goal - probability) AS goals_above_expected
FROM shot_probabilities WHERE status <> 'retracted'
GROUP BY game_id, model, team, coalesce(shooter_id, shooter);

-- Attempts that a goalie faced, as the feed reports them. Some seasons name no goalie on misses.
CREATE VIEW xg_by_goalie AS
SELECT game_id, model, opponent AS team, NOT max(is_home) AS is_home, goalie_id, goalie,
    count(*) AS shots, sum(status = 'pending') AS pending, sum(outcome <> 'missed-shot') AS on_goal,
    total(probability) AS xg, sum(is_goal) AS goals, total(probability - is_goal) AS saved_above_expected,
    total(probability * (1 - probability)) AS variance  -- of the goals, with each shot as a Bernoulli trial of probability xG
FROM shot_probabilities WHERE status <> 'retracted' AND goalie IS NOT NULL AND NOT empty_net
GROUP BY game_id, model, opponent, coalesce(goalie_id, goalie);

-- Each goal with its xG and the score after it.
CREATE VIEW goal_log AS
SELECT game_id, model, event_id, position, period, seconds, time, team, is_home,
    shooter, goalie, shot_type, distance, situation, probability, status,
    sum(NOT is_home) OVER counted AS away_score, sum(is_home) OVER counted AS home_score
FROM shot_probabilities WHERE is_goal AND status <> 'retracted'
WINDOW counted AS (PARTITION BY game_id, model ORDER BY period, seconds, position ROWS UNBOUNDED PRECEDING);

-- Each game twice, once for each of its teams, under each model that has scored a shot of it.
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


-- Sums of the games already stored

INSERT INTO game_models SELECT DISTINCT game_id, model FROM predictions;

INSERT INTO game_totals
SELECT game_id, model, is_home,
    (probability >= 0.01) + (probability >= 0.02) + (probability >= 0.03) + (probability >= 0.04)
        + (probability >= 0.06) + (probability >= 0.08) + (probability >= 0.1) + (probability >= 0.13)
        + (probability >= 0.17) + (probability >= 0.22) + (probability >= 0.3) + (probability >= 0.5) AS step,
    count(*), sum(probability), sum(is_goal),
    -sum(ln(max(iif(is_goal, probability, 1 - probability), 1e-15))), sum(probability * (1 - probability))
FROM shot_probabilities WHERE probability IS NOT NULL AND status <> 'retracted'
GROUP BY game_id, model, is_home, step;

INSERT INTO step_totals
SELECT t.model, season, competition, step, sum(shots), sum(xg), sum(goals), sum(log_loss), sum(variance)
FROM game_totals t JOIN games USING (game_id) GROUP BY 1, 2, 3, 4;

INSERT INTO team_totals
SELECT model, season, competition, team, count(*), sum(xg), sum(goals), sum(xg_against), sum(goals_against)
FROM team_games GROUP BY 1, 2, 3, 4;


-- The next ping stores deleted rows again, even if the feed has nothing new.

CREATE TRIGGER predictions_deleted AFTER DELETE ON predictions BEGIN
    UPDATE games SET fingerprint = NULL WHERE game_id = OLD.game_id;
END;

CREATE TRIGGER shots_deleted AFTER DELETE ON shots BEGIN
    UPDATE games SET fingerprint = NULL WHERE game_id = OLD.game_id;
END;
