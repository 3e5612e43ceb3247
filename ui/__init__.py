"""The dashboard: shows what the game client reports and computes no number itself."""
