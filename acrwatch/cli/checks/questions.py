"""What nobody outside Azure could establish from documentation, each with what the stored traffic says of it."""

from collections.abc import Callable, Mapping
from typing import Final

Signs = Mapping[str, int]


def _seen(name: str, words: str) -> Callable[[Signs], str]:
    return lambda signs: f"{signs[name]} {words}" if signs[name] else "not seen yet"


_QUESTIONS: Final[tuple[tuple[str, Callable[[Signs], str]], ...]] = (
    ("How are login records built?", _seen("logins", "logins; see absent columns and unknown members")),
    ("How are delete, untag and purge spelt?", _seen("removals", "removals; see operations")),
    ("Are there operations that no rule knows?", _seen("other", "events taken for `other`; see operations")),
    ("Is the admin user logged as the registry's name?", _seen("admin", "events by an admin user")),
    ("How do tokens appear?", _seen("token", "events by plain names; see identities")),
    ("What stands for an anonymous caller?", _seen("anonymous", "events without an identity")),
    ("Are refused and challenged calls logged (401)?", _seen("unauthorised", "events with status 401")),
    ("Are redirects logged (3xx)?", _seen("redirects", "events with such a status")),
    ("Does a pull by digest have the digest as its tag?", _seen("pulls_by_digest", "successful pulls do")),
    ("Are there pulls without any tag?", _seen("pulls_without_tag", "successful pulls")),
    ("How are IPv6 callers written?", _seen("v6", "events from v6 addresses; see addresses")),
    ("Which hosts does the registry answer as?", _seen("login_servers", "different login servers")),
    ("Do replicas log each call once per region?", _seen("regions", "regions; compare one push in each")),
    ("Are logins and calls related by a correlation id?", _seen("login_correlations", "ids among logins")),
    ("Is one call logged more than once?", _seen("repeated", "more records of an operation than correlation ids")),
    ("Do imports write records?", _seen("imports", "imports")),
    ("Which artifact types occur?", _seen("artifact_types", "different ones")),
    ("How do clients name themselves?", _seen("user_agents", "different user agents")),
)


def answers(signs: Signs) -> list[dict[str, str]]:
    """Return each question with its answer, from the numbers of `traffic.SIGNS`."""
    return [{"question": question, "answer": answer(signs)} for question, answer in _QUESTIONS]
