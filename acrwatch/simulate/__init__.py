"""Simulated registry traffic with labelled attacks: for the demo, for tests, for benchmarks.

scenario = Scenario(start=now - timedelta(days=60), end=now, seed=7)
for item in simulate(scenario):
    item.record, item.label
"""

from acrwatch.simulate.attacks.catalogue import KINDS
from acrwatch.simulate.attacks.kind import Kind
from acrwatch.simulate.attacks.staging import Attack, ground_truth
from acrwatch.simulate.files import Layout, write_files
from acrwatch.simulate.messages import encode_messages
from acrwatch.simulate.scenario import PlannedAttack, Scenario, history, live_attacks, spread_attacks
from acrwatch.simulate.sending import send
from acrwatch.simulate.settings import registry_settings
from acrwatch.simulate.traffic import LONGEST_DELAY, Labelled, in_arrival_order, simulate

__all__ = [
    "KINDS",
    "LONGEST_DELAY",
    "Attack",
    "Kind",
    "Labelled",
    "Layout",
    "PlannedAttack",
    "Scenario",
    "encode_messages",
    "ground_truth",
    "history",
    "in_arrival_order",
    "live_attacks",
    "registry_settings",
    "send",
    "simulate",
    "spread_attacks",
    "write_files",
]
