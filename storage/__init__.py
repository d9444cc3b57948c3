"""Everything on disk: events in a Delta lake, state in SQL. Nobody else writes either."""

__part_of__ = "acrwatch"
