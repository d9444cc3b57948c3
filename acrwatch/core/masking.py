"""Keeping secrets out of everything that people read: by what they look like, and by what they are.

Whatever a setting says is secret is told to `hide` when it is read, and masked from then on wherever text leaves the
process: logs, errors, command output, incidents, runs. So it does not matter which library quotes it, and in which
form. What was never a setting (a token that the Azure client got) is known by its shape alone.
"""

import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus, unquote

MASK: Final = "********"

# Shorter ones are words as likely as keys, and masking them would garble whatever is said. URLs and connection strings
# mask them by their place.
SHORTEST: Final = 8

_SHAPES: Final = re.compile(
    r"""(?P<before>
          (?:SharedAccessKey|AccountKey|SharedSecret|client_secret|api_?key|(?:access|refresh|id)_token|passw(?:or)?d|pwd)
          ["']?\s*[=:]\s*["']?
        | (?<![A-Za-z])(?:sig|token)=
        | Bearer\s+ | Basic\s+(?=[A-Za-z0-9+/=]{8})
        | whsec_
        | (?=eyJ[\w-]{6,}\.[\w-]{6,}\.)          # a JSON web token has no name before it
        )
        (?P<secret>[^\s;&"'<>,@\\]+)""",
    re.VERBOSE | re.IGNORECASE,
)
# azure-identity's and libpq's.
_READ_BY_LIBRARIES: Final = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "PGPASSWORD",
    "PGSSLPASSWORD",
)
_URL_PASSWORD: Final = re.compile(r"""(?P<before>://[^/\s:@]*:)(?P<secret>[^\s/"'<>]+)(?=@)""")


class _Known:
    """The secrets told so far. There are a few for each configuration; none is forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, texts: Iterable[str]) -> None:
        with self._lock:
            self._texts.update(texts)
            longest_first = sorted(self._texts, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def replaced(self, text: str) -> str:
        pattern = self._pattern
        return pattern.sub(MASK, text) if pattern else text


_known: Final = _Known()


def hide(*secrets: str) -> None:
    """Mask these texts from now on, as they are and as JSON, Python and URLs spell them.

    Give the secret itself, not the text around it. Ones shorter than SHORTEST characters are left to `mask`'s shapes.
    """
    _known.add(form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST)


def hide_environment(environ: Mapping[str, str]) -> None:
    """Mask the secrets that libraries read from the environment by themselves."""
    hide(*(environ[name] for name in _READ_BY_LIBRARIES if name in environ))


def mask(text: str) -> str:
    """Return `text` with every known secret, and whatever looks like a credential, replaced by stars."""
    shown = _URL_PASSWORD.sub(lambda match: match["before"] + MASK, _known.replaced(text))
    return _SHAPES.sub(lambda match: match["before"] + MASK, shown)


def _forms(secret: str) -> set[str]:
    plain = {secret, secret.strip(), unquote(secret)}
    spelt = {form for text in plain for form in (quote(text, safe=""), quote(text), quote_plus(text))}
    quoted = {form for text in plain for form in (json.dumps(text)[1:-1], repr(text)[1:-1])}
    return {form for form in plain | spelt | quoted if len(secret.strip()) >= SHORTEST}
