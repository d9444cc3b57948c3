"""panther_core: each record through the three rules' functions. It has no thresholds: those are the hosted service's.

python panther.py RECORDS RULES (not read: its rules are Python)
"""

import importlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

_HEAD = "import ipaddress\n"
_RULES = {
    "admin": "def rule(event):\n"
    "    return (event.get('identity') in ('contoso', 'fabrikam') and event.get('operationName') == 'Login'\n"
    "            and event.get('resultDescription', '').startswith('2'))\n",
    "outside": "ALLOWED = [ipaddress.ip_network(n) for n in ('198.51.100.0/24', '2001:db8:1::/48')]\n"
    "def rule(event):\n"
    "    if event.get('operationName') != 'Pull' or not event.get('resultDescription', '').startswith('2'):\n"
    "        return False\n"
    "    address = ipaddress.ip_address(event.get('callerIpAddress'))\n"
    "    return not any(address in network for network in ALLOWED)\n",
    "deleted": "def rule(event):\n"
    "    return event.get('operationName') == 'Delete' and event.get('resultDescription', '').startswith('2')\n",
}

Rule = importlib.import_module("panther_core.rule").Rule
Event = importlib.import_module("panther_core.enriched_event").PantherEvent

started = time.perf_counter()
rules = [
    Rule({"id": name, "body": _HEAD + body, "versionId": "1", "analysisType": "RULE"}) for name, body in _RULES.items()
]
matches: Counter[str] = Counter()
with Path(sys.argv[1]).open("rb") as lines:
    for line in lines:
        event = Event(json.loads(line), None)
        for rule in rules:
            if rule.run(event, {}, {}, batch_mode=False).detection_output:
                matches[rule.detection_id] += 1
seconds = time.perf_counter() - started
print(json.dumps({
    "seconds": seconds, "admin": matches["admin"], "outside": matches["outside"], "identities": [],
    "alerts": matches["deleted"],
}))  # fmt: skip
