"""The league's JSON to plays. JSON goes no further than this folder."""
