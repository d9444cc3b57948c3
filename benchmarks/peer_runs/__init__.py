"""What runs in a peer's own environment: one program each, that knows nothing of this project."""
