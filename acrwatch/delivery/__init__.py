"""Getting alerts out: the outbox to its destinations, at least once, each delivery under an id that stays the same."""
