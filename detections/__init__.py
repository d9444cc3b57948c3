"""Rules in, matches and alerts out. No clock, no network, no threads."""

__part_of__ = "acrwatch"
