"""TODO."""

__part_of__ = "acrwatch"
