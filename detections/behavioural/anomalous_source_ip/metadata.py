"""What anomalous-source-ip says of itself."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Final

from detections.behavioural.anomalous_source_ip.cases import CASES
from detections.behavioural.anomalous_source_ip.judging import QUIET
from detections.detection import Group, Metadata


def group_of(identity: str, network: str) -> Group:
    """Return the group that alerts about this identity and network belong to."""
    return (("actor", identity), ("network", network))


def _version() -> str:
    """Return the hash of all modules here but the cases, which change no judgement."""
    modules = sorted(path for path in Path(__file__).parent.glob("*.py") if path.stem != "cases")
    return hashlib.sha256(b"".join(path.read_bytes() for path in modules)).hexdigest()


METADATA: Final = Metadata(
    slug="anomalous-source-ip",
    id="7c2e8b0a-9f43-4d1f-8a55-2e4b8f6d3c66",
    version=_version(),
    title="Identity used from a network that is new to it",
    description=(
        "A successful call from a /24 or /48 network that the identity has not used before, where its own history, "
        "backed by its registry's, makes a new network improbable. An identity younger than 14 days is judged by its "
        "registry, and a registry is learned for 14 days first. A person who used two networks or more on the last 30 "
        "dates moves: such an alert is a building block."
    ),
    level="medium",
    status="stable",
    author="acrwatch",
    date="2026-11-22",
    group_by=("actor", "network"),
    # A network matches until 14 whole dates went by, so two matches of one stay are less than 15 days apart.
    group_for=QUIET + timedelta(days=1),
    entities={"identity": "identity", "ip": "caller_ip", "network": "network", "registry": "registry"},
    reason=(
        "{account} was used from {network}, a network new to it: {count:successful call} ({operations}) from "
        "{addresses} on registry {registries} {span}. {history}"
    ),
    tags=("attack.initial_access", "attack.t1078.004", "attack.credential_access", "attack.t1528"),
    references=("https://attack.mitre.org/techniques/T1078/004/",),
    falsepositives=("A new office, home connection or mobile network", "A build pool moved to other egress addresses"),
    blind_spots=(
        "Nothing is judged in the first 14 days of a registry.",
        "Newcomers are not judged where more than 9 in 100 identities came with a network of their own.",
        "A network that someone used first on a registry is the registry's own after 14 days, whatever was said of it.",
        "An attacker within the networks an identity already uses is not new.",
        (
            "A person who moves between networks is told of only where other rules speak of them too (entity-risk), or "
            "where somebody promoted this rule."
        ),
        "Identities shared by many machines (a kubelet, an admin account) hide single machines.",
    ),
    runbook=(
        "Ask the identity's owner whether they work from that network; for a service, whether its runners moved.",
        "Compare the calls with what the identity usually does: operations, repositories, user agents.",
        "If it is not explained, renew the credential and look for other identities used from the same network.",
        "If it is explained, let it be: the network joins the baseline after 14 days without a match.",
    ),
    tests=CASES,
)
