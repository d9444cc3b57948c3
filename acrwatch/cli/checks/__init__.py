"""The checks of `acrwatch check`, one module per subject. They look, and change nothing."""
