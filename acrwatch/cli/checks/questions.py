"""What nobody outside Azure could establish from documentation, each with what the stored traffic says of it."""

from collections.abc import Callable, Mapping
from typing import Final

from acrwatch.core.wording import counted

Signs = Mapping[str, int]


def _seen(name: str, one: str, more: str = "", *, see: str = "") -> Callable[[Signs], str]:
    """Return what says how often something was seen: so many of `one`, or of `more` (with an s by itself), and where
    to look further."""
    return lambda signs: counted(signs[name], one, more) + see if signs[name] else "not seen yet"


_QUESTIONS: Final[tuple[tuple[str, Callable[[Signs], str]], ...]] = (
    ("How are login records built?", _seen("logins", "login", see="; see absent columns and unknown members")),
    ("How are delete, untag and purge spelt?", _seen("removals", "removal", see="; see operations")),
    ("Are there operations that no rule knows?", _seen("other", "event", see=" taken for `other`; see operations")),
    ("Is the admin user logged as the registry's name?", _seen("admin", "event", see=" by an admin user")),
    ("How do tokens appear?", _seen("token", "event", see=" by a plain name; see identities")),
    ("What stands for an anonymous caller?", _seen("anonymous", "event", see=" without an identity")),
    ("Are refused and challenged calls logged (401)?", _seen("unauthorised", "event", see=" with status 401")),
    ("Are redirects logged (3xx)?", _seen("redirects", "event", see=" with such a status")),
    (
        "Does a pull by digest have the digest as its tag?",
        _seen("pulls_by_digest", "successful pull does", "successful pulls do"),
    ),
    ("Are there pulls without any tag?", _seen("pulls_without_tag", "successful pull")),
    ("How are IPv6 callers written?", _seen("v6", "event", see=" from v6 addresses; see addresses")),
    ("Which hosts does the registry answer as?", _seen("login_servers", "login server")),
    ("Do replicas log each call once per region?", _seen("regions", "region", see="; compare one push in each")),
    ("Are logins and calls related by a correlation id?", _seen("login_correlations", "id", see=" among logins")),
    (
        "Is one call logged more than once?",
        _seen("repeated", "record", see=" more of an operation than correlation ids"),
    ),
    ("Do imports write records?", _seen("imports", "import")),
    ("Which artifact types occur?", _seen("artifact_types", "different one")),
    ("How do clients name themselves?", _seen("user_agents", "different user agent")),
)


def answers(signs: Signs) -> list[dict[str, str]]:
    """Return each question with its answer, from the numbers of `traffic.SIGNS`."""
    return [{"question": question, "answer": answer(signs)} for question, answer in _QUESTIONS]
