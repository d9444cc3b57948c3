"""Registries against documented good practice, judged by what was imported of them.

`checks.py` holds one entry per practice; nothing here asks Azure.
"""
