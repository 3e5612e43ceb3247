ALTER TABLE activations ADD COLUMN followed TEXT;  -- what XG_FOLLOW names, if following made it active
