"""The attacks: what each kind does, and the ground truth to hold alerts against.

One module per family. The scripts are written from how attackers behave, apart from the rules; their numbers are drawn
from ranges that make the attack real, whatever thresholds a rule may have.
"""
