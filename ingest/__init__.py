"""Azure's bytes in, events and rejects out."""

__part_of__ = "acrwatch"
