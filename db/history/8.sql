-- Version 8.


-- What is on: manpower and attempts

-- Regulation and overtime as stretches in which manpower and the clocks of running penalties stayed the same, in order
-- and without gaps. Times are seconds of the game. Of games recorded by earlier versions only the power plays are
-- known, until the next ping or import of the game.
CREATE TABLE manpower (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    start_s INTEGER NOT NULL,
    end_s INTEGER NOT NULL CHECK (end_s >= start_s),  -- of the last one: the last play so far, perhaps its first
    situation TEXT,  -- away goalie, away skaters, home skaters, home goalie: 1551; NULL if not reported
    -- When the team gets players back, one after the other, if no goal frees one before; a JSON list. It is empty where
    -- the penalties do not agree with the situation.
    away_until TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(away_until)),
    home_until TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(home_until)),
    power_play TEXT CHECK (power_play IN ('away', 'home')),  -- the team with more skaters, extra attackers not counted
    power_play_since INTEGER CHECK ((power_play_since IS NULL) = (power_play IS NULL)),
    first_seen_at TEXT NOT NULL DEFAULT '',  -- when a ping first saw all of this but the end
    PRIMARY KEY (game_id, start_s)
) STRICT, WITHOUT ROWID;

INSERT INTO manpower (game_id, start_s, end_s, power_play, power_play_since)
SELECT game_id, start_s, end_s, iif(is_home, 'home', 'away'), start_s FROM power_plays;

DROP TABLE power_plays;

-- The game seconds between which one team had more skaters than the other, as `GameReport.power_plays`: by the situation,
-- so until the clock of the penalty ends; where it is unknown, by the codes of plays alone. One that follows another at
-- once, as after a goal, has another `power_play_since`. Without GROUP BY, a query of one game reads that game alone.
CREATE VIEW power_plays AS
SELECT game_id, start_s, end_s, side = 'home' AS is_home
FROM (
    SELECT game_id, start_s, side, is_first,
        iif(is_last, end_s, lead(end_s) OVER (PARTITION BY game_id ORDER BY start_s)) AS end_s
    FROM (
        SELECT game_id, start_s, end_s, side,
            lag(side) OVER stretches IS NOT side OR lag(end_s) OVER stretches <> start_s
                OR (lag(power_play_since) OVER stretches <> power_play_since) IS TRUE AS is_first,
            lead(side) OVER stretches IS NOT side OR lead(start_s) OVER stretches <> end_s
                OR (lead(power_play_since) OVER stretches <> power_play_since) IS TRUE AS is_last
        FROM (
            SELECT game_id, start_s, end_s, power_play_since,
                CASE
                    WHEN situation IS NULL THEN power_play
                    WHEN away > home THEN 'away'
                    WHEN away < home THEN 'home'
                END AS side
            FROM (
                SELECT game_id, start_s, end_s, situation, power_play, power_play_since,
                    substr(situation, 2, 1) - (substr(situation, 1, 1) = '0') AS away,
                    substr(situation, 3, 1) - (substr(situation, 4, 1) = '0') AS home
                FROM manpower
            )
        )
        WINDOW stretches AS (PARTITION BY game_id ORDER BY start_s)
    )
    WHERE side IS NOT NULL AND (is_first OR is_last)
)
WHERE is_first AND end_s > start_s;

ALTER TABLE shots ADD COLUMN reason TEXT;  -- of a miss, in the league's words, which differ between seasons

DROP VIEW shot_probabilities;
-- As before, with the reason of a miss.
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
    s.missing, s.features, s.reason
FROM shots s
JOIN games g USING (game_id)
LEFT JOIN models m ON m.model = g.model
    OR m.model IN (SELECT o.model FROM game_models o WHERE o.game_id = s.game_id)
LEFT JOIN predictions p ON p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = m.model
WHERE m.population IS NOT 'on-goal' OR s.outcome <> 'missed-shot';

-- Attempts that were blocked. They are never scored.
CREATE TABLE blocked_attempts (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    event_id INTEGER NOT NULL,
    period INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),  -- whether the shooter is of the home team
    shooter_id INTEGER,
    shooter TEXT,
    blocker_id INTEGER,
    blocker TEXT,
    by_teammate INTEGER NOT NULL CHECK (by_teammate IN (0, 1)),  -- whether a team-mate of the shooter blocked it
    x REAL,  -- of the block, in feet; the shooter's team attacks the net at x = 89
    y REAL,
    code TEXT,  -- away goalie, away skaters, home skaters, home goalie: 1551; NULL if not reported
    strength TEXT,  -- as the shooter's team sees it: 5v4, or PS
    first_seen_at TEXT NOT NULL,
    retracted_at TEXT,  -- since when the feed no longer has it
    PRIMARY KEY (game_id, event_id)
) STRICT, WITHOUT ROWID;

-- All attempts that the league still has: goals, shots on goal, misses and blocked ones, whatever a model rates.
CREATE VIEW attempts AS
SELECT game_id, event_id, a.period, seconds, iif(a.is_home, home_abbrev, away_abbrev) AS team, a.is_home,
    shooter_id, shooter, outcome, reason,
    -- The league counts no shot for a goal that a team put into its own net; such a goal never gets a shot type.
    outcome = 'shot-on-goal' OR (outcome = 'goal' AND (shot_type IS NOT NULL OR state <> 'final')) AS on_goal,
    strength,
    CASE
        WHEN strength = 'PS' THEN 'penalty shot'
        WHEN opposing_goalie = '0' THEN 'empty net'
        WHEN strength IS NULL THEN 'not told'
        WHEN own_goalie = '0' THEN 'extra attacker'
        WHEN strength = '5v5' THEN '5v5'
        WHEN substr(strength, 1, 1) > substr(strength, 3) THEN 'power play'
        WHEN substr(strength, 1, 1) < substr(strength, 3) THEN 'short-handed'
        ELSE 'other even'
    END AS situation  -- as in shot_probabilities
FROM games JOIN (
    SELECT game_id, event_id, period, seconds, is_home, shooter_id, shooter, outcome, reason,
        features ->> 'shot_type' AS shot_type, features ->> 'strength_state' AS strength, iif(empty_net, '0', '1') AS opposing_goalie,
        iif(features ->> 'extra_attacker', '0', '1') AS own_goalie
    FROM shots WHERE retracted_at IS NULL
    UNION ALL
    SELECT game_id, event_id, period, seconds, is_home, shooter_id, shooter, 'blocked-shot', NULL,
        NULL, strength, substr(code, iif(is_home, 1, 4), 1), substr(code, iif(is_home, 4, 1), 1)
    FROM blocked_attempts WHERE retracted_at IS NULL
) a USING (game_id);

-- Attempts by team and period. Misses that fell short are known since 2023-24 only. Two arms, so that a query of one
-- game reads that game alone.
CREATE VIEW attempts_by_team AS
SELECT s.game_id, iif(s.is_home, home_abbrev, away_abbrev) AS team, s.is_home, s.period,
    sum(outcome = 'goal') AS goals,
    sum(outcome = 'shot-on-goal' OR (outcome = 'goal' AND (features ->> 'shot_type' IS NOT NULL OR state <> 'final')))
        AS on_goal,
    count(*) AS unblocked, sum(reason IS NOT 'short') AS unblocked_without_short,
    (
        SELECT count(*) FROM blocked_attempts b WHERE b.game_id = s.game_id AND b.is_home = s.is_home
            AND b.period = s.period AND b.retracted_at IS NULL
    ) AS blocked,
    count(*) + (
        SELECT count(*) FROM blocked_attempts b WHERE b.game_id = s.game_id AND b.is_home = s.is_home
            AND b.period = s.period AND b.retracted_at IS NULL
    ) AS attempts
FROM shots s JOIN games g ON g.game_id = s.game_id
WHERE s.retracted_at IS NULL
GROUP BY s.game_id, s.is_home, s.period
UNION ALL
SELECT b.game_id, iif(b.is_home, home_abbrev, away_abbrev), b.is_home, b.period, 0, 0, 0, 0, count(*), count(*)
FROM blocked_attempts b JOIN games g ON g.game_id = b.game_id
WHERE b.retracted_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM shots s WHERE s.game_id = b.game_id AND s.is_home = b.is_home
        AND s.period = b.period AND s.retracted_at IS NULL
)
GROUP BY b.game_id, b.is_home, b.period;



-- As of any moment: what the pings saw, and when

-- A game as the pings saw it, from `seen_at` until its next row: one for each ping that found it changed.
CREATE TABLE game_states (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    seen_at TEXT NOT NULL,
    start_time TEXT NOT NULL,
    start_is_known INTEGER NOT NULL CHECK (start_is_known IN (0, 1)),
    game_date TEXT NOT NULL,
    state TEXT NOT NULL,
    period INTEGER NOT NULL,
    period_type TEXT NOT NULL,
    seconds_left INTEGER NOT NULL,
    in_intermission INTEGER NOT NULL CHECK (in_intermission IN (0, 1)),
    away_score INTEGER NOT NULL,
    home_score INTEGER NOT NULL,
    overtime_seconds INTEGER,
    has_end INTEGER NOT NULL CHECK (has_end IN (0, 1)),
    ended_at TEXT,
    problems TEXT,
    model TEXT REFERENCES models (model),
    is_complete INTEGER NOT NULL CHECK (is_complete IN (0, 1)),  -- whether every shot was scored that could be
    PRIMARY KEY (game_id, seen_at)
) STRICT, WITHOUT ROWID;

INSERT INTO game_states
SELECT game_id, pinged_at, start_time, start_is_known, game_date, state, period, period_type, seconds_left,
    in_intermission, away_score, home_score, overtime_seconds, has_end, ended_at, problems, model,
    fingerprint IS NOT NULL
FROM games;

-- What a stored shot was until `replaced_at`, when the league changed it; `shots` holds what it is now. A new position
-- alone is no change.
CREATE TABLE shot_versions (
    game_id INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    replaced_at TEXT NOT NULL,
    period INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),
    shooter_id INTEGER,
    shooter TEXT,
    goalie_id INTEGER,
    goalie TEXT,
    outcome TEXT NOT NULL,
    penalty_shot INTEGER NOT NULL CHECK (penalty_shot IN (0, 1)),
    empty_net INTEGER NOT NULL CHECK (empty_net IN (0, 1)),
    features TEXT NOT NULL CHECK (json_valid(features)),
    missing TEXT,
    reason TEXT,
    retracted_at TEXT,
    PRIMARY KEY (game_id, event_id, replaced_at),
    FOREIGN KEY (game_id, event_id) REFERENCES shots (game_id, event_id)
) STRICT, WITHOUT ROWID;

-- The same of blocked attempts.
CREATE TABLE blocked_versions (
    game_id INTEGER NOT NULL,
    event_id INTEGER NOT NULL,
    replaced_at TEXT NOT NULL,
    period INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),
    shooter_id INTEGER,
    shooter TEXT,
    blocker_id INTEGER,
    blocker TEXT,
    by_teammate INTEGER NOT NULL CHECK (by_teammate IN (0, 1)),
    x REAL,
    y REAL,
    code TEXT,
    strength TEXT,
    retracted_at TEXT,
    PRIMARY KEY (game_id, event_id, replaced_at),
    FOREIGN KEY (game_id, event_id) REFERENCES blocked_attempts (game_id, event_id)
) STRICT, WITHOUT ROWID;

-- Stretches of `manpower` until `replaced_at`, when a ping found others in their place: a penalty that is reported late
-- changes earlier ones. A new end alone is no change.
CREATE TABLE manpower_versions (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    start_s INTEGER NOT NULL,
    replaced_at TEXT NOT NULL,
    end_s INTEGER NOT NULL,
    situation TEXT,
    away_until TEXT NOT NULL CHECK (json_valid(away_until)),
    home_until TEXT NOT NULL CHECK (json_valid(home_until)),
    power_play TEXT CHECK (power_play IN ('away', 'home')),
    power_play_since INTEGER,
    first_seen_at TEXT NOT NULL,
    PRIMARY KEY (game_id, start_s, replaced_at)
) STRICT, WITHOUT ROWID;

-- When a game was pinged during the five minutes before its last ping: most pings change nothing and leave no state.
CREATE TABLE recent_pings (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    pinged_at TEXT NOT NULL,
    PRIMARY KEY (game_id, pinged_at)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER game_pinged AFTER UPDATE OF pinged_at ON games BEGIN
    INSERT INTO recent_pings VALUES (OLD.game_id, OLD.pinged_at) ON CONFLICT DO NOTHING;
    DELETE FROM recent_pings
    WHERE game_id = OLD.game_id AND pinged_at < strftime('%Y-%m-%dT%H:%M:%fZ', NEW.pinged_at, '-5 minutes');
END;


-- Told once: notices and their delivery

-- What a ping found that somebody wants to be told of, written in the transaction that stores it.
CREATE TABLE notices (
    notice_id INTEGER PRIMARY KEY,
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    key TEXT NOT NULL,  -- what happened, with how often it was corrected before: each is written once
    kind TEXT NOT NULL CHECK (
        kind IN ('goal', 'taken back', 'restored', 'chance', 'period', 'final', 'resumed', 'summary')
    ),
    event_id INTEGER,  -- of the shot that it is about, if it is about one
    facts TEXT NOT NULL CHECK (json_valid(facts)),  -- as they were then
    noticed_at TEXT NOT NULL,
    UNIQUE (game_id, key)
) STRICT;

-- Where notices go, and what of. The addresses themselves hold secrets, and are in the settings alone.
CREATE TABLE addresses (
    address TEXT PRIMARY KEY,  -- a keyed digest
    service TEXT NOT NULL,  -- "discord", "ntfy" ...
    topics TEXT NOT NULL CHECK (json_valid(topics)),  -- a list
    teams TEXT NOT NULL CHECK (json_valid(teams)),  -- a list of abbreviations; empty: all
    chance REAL NOT NULL,  -- the least xG of a missed chance to be told of
    seen_at TEXT NOT NULL  -- when a process last had it in its settings, to the hour
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    notice_id INTEGER NOT NULL REFERENCES notices (notice_id) ON DELETE CASCADE,
    address TEXT NOT NULL REFERENCES addresses (address),
    attempts INTEGER NOT NULL DEFAULT 0,  -- those begun: one that was killed may have been accepted
    next_try_at TEXT NOT NULL,
    accepted_at TEXT,
    dropped_at TEXT,  -- when it was too late to be told
    problem TEXT,  -- of the last attempt; holds no secret
    PRIMARY KEY (notice_id, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_open ON deliveries (address, notice_id) WHERE accepted_at IS NULL AND dropped_at IS NULL;


-- Rates by strength

-- How long each team of a game played at each strength, as that team sees it: one team's power play is the other's
-- short-handed time. The strengths are the situations of shots, even ones by skaters (4v4, 3v3).
CREATE VIEW time_by_strength AS
SELECT game_id, iif(is_home, g.home_abbrev, g.away_abbrev) AS team, is_home,
    CASE
        WHEN situation IS NULL THEN 'not told'
        WHEN other_goalie = '0' THEN 'empty net'
        WHEN own_goalie = '0' THEN 'extra attacker'
        WHEN friendly > opposing THEN 'power play'
        WHEN friendly < opposing THEN 'short-handed'
        ELSE friendly || 'v' || opposing
    END AS strength,
    sum(end_s - start_s) AS seconds
FROM (
    SELECT game_id, start_s, end_s, situation, side AS is_home,
        substr(situation, iif(side, 3, 2), 1) AS friendly, substr(situation, iif(side, 2, 3), 1) AS opposing,
        substr(situation, iif(side, 4, 1), 1) AS own_goalie, substr(situation, iif(side, 1, 4), 1) AS other_goalie
    FROM manpower CROSS JOIN (SELECT 0 AS side UNION ALL SELECT 1)
) JOIN games g USING (game_id)
GROUP BY game_id, is_home, strength;

-- Each finished game's time and rated shots, by team and strength, if its manpower is known. Each change of the game
-- updates them.
CREATE TABLE game_strengths (
    game_id INTEGER NOT NULL REFERENCES games (game_id),
    model TEXT NOT NULL REFERENCES models (model),
    is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),
    strength TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    shots INTEGER NOT NULL,
    xg REAL NOT NULL,
    goals INTEGER NOT NULL,
    PRIMARY KEY (game_id, model, is_home, strength)
) STRICT, WITHOUT ROWID;

-- Sums of `game_strengths` over all games, updated with them: the league's rates cost the same to read however long the
-- history is. A row whose last game was removed stays, with zeros.
CREATE TABLE strength_totals (
    model TEXT NOT NULL REFERENCES models (model),
    season INTEGER NOT NULL,
    competition TEXT NOT NULL,
    strength TEXT NOT NULL,
    games INTEGER NOT NULL,
    seconds INTEGER NOT NULL,  -- of both teams
    shots INTEGER NOT NULL,
    xg REAL NOT NULL,
    goals INTEGER NOT NULL,
    PRIMARY KEY (model, season, competition, strength)
) STRICT, WITHOUT ROWID;


-- Who will win: what was played of a season before a day

-- Holds all that is asked of those games, so that none of their wide rows is read.
DROP INDEX games_by_season;
CREATE INDEX games_by_season ON games (
    season, game_date, state, competition, home_id, away_id, home_score, away_score
);
