"""Kills every process under load, with faults around them, and compares the outcome with an undisturbed run."""
