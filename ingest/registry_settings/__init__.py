"""Settings of registries as Azure prints them (`az acr show` and its like), read into facts by registry.

A fact is a JSON value under a name of ours; what is kept of each shape is named in `shapes.py`, all else is left out.
"""
