"""Records of the Azure Activity Log about registries: read, freed of secrets, made rows (see `storage/activity.py`)."""
