-- Version 7.

-- Each shot that two models have rated, with both probabilities: for each pair of models once in either order.
-- CROSS JOIN keeps the order of the tables: games are few, predictions are many.
CREATE VIEW model_pairs AS
SELECT s.game_id, s.event_id, g.season, g.competition, g.game_date, g.state, s.team, s.is_goal, s.situation, s.status,
    s.model, p.model AS other, s.probability, p.probability AS other_probability
FROM games g
CROSS JOIN shot_probabilities s USING (game_id)
CROSS JOIN predictions p ON p.game_id = s.game_id AND p.event_id = s.event_id AND p.model <> s.model
WHERE s.probability IS NOT NULL AND s.status <> 'retracted';
