CREATE INDEX logs_by_time ON logs (at);
CREATE INDEX logs_of_trouble ON logs (id) WHERE level >= 30;  -- warnings are few, and what is looked for
