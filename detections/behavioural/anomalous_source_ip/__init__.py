"""Anomalous source IP: an identity comes from a network that its own history makes surprising.

The profile keeps, per identity, network (/24, /48) and UTC date, what happened; a date is judged by the dates before
it and nothing else, so that late history changes the judgement of exactly those dates that it should. How surprising a
new network is, is the chance of meeting one, estimated from the last 30 dates of the identity's use after Good and
Turing: the share of observations that fell to networks seen once. I. J. Good, "The population frequencies of species
and the estimation of population parameters", Biometrika 40 (1953). Dates of use, not of the calendar: a weekly job has
a history, too. Dates on which a network alerted are no part of it, or an intruder who changes networks would soon be
expected to.

Behind the identity stands its registry (`registry_past`). The identity's estimate is drawn towards the registry's with
the weight of one date of use: no registry, however restless, outweighs a service with nine dates in one network, as its
chance counts for a half at most. An identity younger than 14 days has no history to speak of: it is judged by the
registry alone, and only in networks that are not the registry's own. Of several registries used that date, the
strictest counts.

Where to read on, in the order of a pass:

- `observing`: from new events to network days and homes, merged into the profile;
- `registries`: what the homes change of the registries' word;
- `verdicts`: what people said of networks, and which earlier judgements that overrules;
- `judging`: the judgement itself;
- `stating`: from network days that match to alerts and their words;
- `detection`: the pass that puts these together.

A pass walks again through the dates of an identity from the first one that anything new bears on: for events in order
that is the date of the events, however long the history (docs/performance.md). What it needs of the dates before is
little: of a network seen before, whether its last date matched; of a new one, the last 30 dates of use and the last 30
days.
"""

from detections.behavioural.anomalous_source_ip.detection import DETECTION

__all__ = ["DETECTION"]
