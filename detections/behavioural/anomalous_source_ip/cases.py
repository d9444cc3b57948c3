"""What anomalous-source-ip says of itself that it finds and leaves alone; run by `acrwatch rules test`."""

from collections.abc import Mapping
from typing import Any, Final

_HOME: Final = {"operation": "Pull", "identity": "ci", "caller_ip": "198.51.100.7", "repeat": 60, "every": "1d"}
_ABROAD: Final = {"operation": "Pull", "identity": "ci", "caller_ip": "203.0.113.9"}
_STAFF: Final = {"operation": "Login", "caller_ip": "198.51.100.7", "repeat": 60, "every": "1d"}
_OFFICE: Final = tuple({**_STAFF, "identity": f"person{n}@example.com"} for n in range(12))
_NEWCOMER: Final = {"operation": "Login", "identity": "new@example.com", "caller_ip": "203.0.113.9", "at": "40d"}
_PERSON: Final = {"operation": "Login", "identity": "ana@example.com", "repeat": 60, "every": "1d"}

CASES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "a service of one network for 60 days, at its first foreign event",
        "alerts": 1,
        "reason": "ci was used from 203.0.113.0/24, a network new to it: 1 successful call (1 pull) from 203.0.113.9",
        "events": [_HOME, {**_ABROAD, "at": "60d"}],
    },
    {
        "name": "a weekly service at its first foreign event",
        "alerts": 1,
        "events": [{**_HOME, "repeat": 9, "every": "7d"}, {**_ABROAD, "at": "60d"}],
    },
    {
        "name": "within the first 14 days all is learned",
        "alerts": 0,
        "events": [{**_HOME, "repeat": 14}, {**_ABROAD, "at": "13d"}],
    },
    {
        "name": "a new identity from a network nobody had used, where all share one",
        "alerts": 1,
        "reason": "It has been known for 0 days, so it is judged by registry contoso",
        "events": [*_OFFICE, _NEWCOMER],
    },
    {
        "name": "a new identity from the network that all share",
        "alerts": 0,
        "events": [*_OFFICE, {**_NEWCOMER, "caller_ip": "198.51.100.77"}],
    },
    {
        "name": "a new identity where many came with a network of their own",
        "alerts": 0,
        "events": [
            *_OFFICE,
            *({**_STAFF, "identity": f"home{n}@example.com", "caller_ip": f"2001:db8:{n}::1"} for n in range(3)),
            _NEWCOMER,
        ],
    },
    {
        "name": "a registry is learned for 14 days before newcomers are judged by it",
        "alerts": 0,
        "events": [*_OFFICE, {**_NEWCOMER, "at": "13d"}],
    },
    {
        "name": "another address of a known network is not new",
        "alerts": 0,
        "events": [_HOME, {**_ABROAD, "at": "60d", "caller_ip": "198.51.100.200"}],
    },
    {
        "name": "refused calls stay silent",
        "alerts": 0,
        "events": [_HOME, {**_ABROAD, "at": "60d", "status": 401}],
    },
    {
        "name": "someone who often meets new networks is expected in another",
        "alerts": 0,
        "events": [
            {**_PERSON, "caller_ip": "2001:db8:{n}::1"},
            {**_PERSON, "repeat": 1, "at": "60d", "caller_ip": "203.0.113.9"},
        ],
    },
    {
        "name": "a traveller with a steady home is told of once a month",
        "alerts": 1,
        "events": [
            {**_PERSON, "caller_ip": "198.51.100.7"},
            {**_PERSON, "caller_ip": "2001:db8:{n}::1", "repeat": 8, "at": "6d"},
            {**_PERSON, "caller_ip": "2001:db8:{n}::1", "repeat": 8, "at": "14d"},
            {**_PERSON, "caller_ip": "2001:db8:f{n}::1", "repeat": 10, "at": "30d"},
        ],
    },
    {
        "name": "a person of two networks in a third is a building block",
        "alerts": 1,
        "reason": "so this alone is told to nobody",
        "events": [
            {**_PERSON, "caller_ip": "198.51.100.7"},
            {**_PERSON, "caller_ip": "192.0.2.7"},
            {**_PERSON, "repeat": 1, "at": "60d", "caller_ip": "203.0.113.9"},
        ],
    },
    {
        "name": "a network that keeps coming stays one alert and never joins the baseline",
        "alerts": 1,
        "reason": "30 successful calls",
        "events": [{**_HOME, "repeat": 90}, {**_ABROAD, "at": "60d", "repeat": 30, "every": "1d"}],
    },
    {
        "name": "an intruder who changes networks is not learned",
        "alerts": 5,
        "events": [_HOME, {**_ABROAD, "at": "60d", "caller_ip": "2001:db8:{n}::9", "repeat": 5, "every": "1d"}],
    },
    {
        "name": "after 14 quiet days the network has joined the baseline",
        "alerts": 1,
        "reason": "1 successful call",
        "events": [{**_HOME, "repeat": 90}, {**_ABROAD, "at": "60d"}, {**_ABROAD, "at": "75d"}],
    },
    {
        "name": "after a benign verdict the network has joined the baseline",
        "alerts": 1,
        "reason": "1 successful call",
        "closed": {"at": "60d", "verdict": "benign_positive"},
        "events": [_HOME, {**_ABROAD, "at": "60d"}, {**_ABROAD, "at": "61d"}],
    },
    {
        "name": "after another verdict it has not",
        "alerts": 2,
        "closed": {"at": "60d", "verdict": "true_positive"},
        "events": [_HOME, {**_ABROAD, "at": "60d"}, {**_ABROAD, "at": "61d"}],
    },
    {
        "name": "an unusable address is unjudged",
        "alerts": 0,
        "unjudged": 1,
        "events": [{**_ABROAD, "caller_ip": "somewhere"}],
    },
)
