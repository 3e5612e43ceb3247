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
