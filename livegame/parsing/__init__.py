"""From the league's JSON to plays. Raw JSON goes no further than this folder."""
