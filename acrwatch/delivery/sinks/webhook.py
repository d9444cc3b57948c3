"""Standard Webhooks over HTTP. The only module that imports httpx."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import httpx

from acrwatch.core.errors import ConfigError
from acrwatch.core.log import MASK, mask, printable
from acrwatch.core.setting import REQUIRED, Secret, Setting, text
from acrwatch.delivery.address import WebAddress, file_path, web_address
from acrwatch.delivery.signature import PREFIX, signed_headers, signing_keys
from acrwatch.delivery.sinks import Outcome, Outgoing, Sink

TYPE: Final = "webhook"

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0
MAX_ANSWER_BYTES: Final = 64 * 1024
KEPT_CHARACTERS: Final = 1024
MAX_RETRY_AFTER: Final = timedelta(hours=1)

# Request Timeout, Too Early, Too Many Requests: the receiver asks for another try. So does every 5xx.
_RETRIED: Final = frozenset({408, 425, 429})
_ADVICE: Final = {
    401: "It refuses our signature or token: check `secret` and `url` on both sides",
    403: "It refuses our signature or token: check `secret` and `url` on both sides",
    404: "Nothing answers at this address: check `url`",
    405: "It takes no POST at this address: check `url`",
    410: "It says that this address is gone for good: give the destination a new `url`, or remove it",
    413: "The alert is too large for it: raise the receiver's limit",
}

# httpx writes every full address, key and all, at INFO. A filter, since levels are set anew by whoever wants more log.
logging.getLogger("httpx").addFilter(lambda record: record.levelno >= logging.WARNING)


def _url(value: object) -> WebAddress:
    """An http or https address that a request can be made of, so that `https://10.0.0.256/` is refused at the start."""
    address = web_address(value)
    try:
        _ = httpx.URL(address.reveal()).host
    except (httpx.InvalidURL, ValueError):
        raise ValueError("expected an address that can be posted to, such as https://siem.example/hook") from None
    return address


def _secret(value: object) -> Secret:
    """One `whsec_...` secret, or several (a list, or separated by spaces) while the secret is being changed."""
    written = text(" ".join(map(text, value)) if isinstance(value, list | tuple) else value)
    try:
        signing_keys(written)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return Secret(written)


SETTINGS: Final = (
    Setting("url", _url, REQUIRED, "Where alerts are posted. Shown as scheme and host only."),
    Setting("secret", _secret, REQUIRED, "The shared secret, whsec_ and base64, that signs every delivery."),
    Setting("ca_file", file_path, None, "PEM file of the only authorities to trust, for receivers with a private one."),
)


def open(values: Mapping[str, Any]) -> Sink:  # noqa: A001 - the name every sink module has
    """Return a sink that posts to `url`. Raises ConfigError if `ca_file` cannot be used."""
    secret: Secret = values["secret"]
    return WebhookSink(values["url"], signing_keys(secret.reveal()), _tls(values["ca_file"]), secret.reveal())


@dataclass
class _Answer:
    """What has arrived so far. The status (0: none yet) alone decides; the body is only quoted."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""


class WebhookSink:
    """Posts deliveries. Follows no redirect, uses no proxy of the environment, verifies TLS always.

    `send` must not be called from a thread that runs an event loop.
    """

    def __init__(self, url: WebAddress, keys: tuple[bytes, ...], tls: ssl.SSLContext, secret: str) -> None:
        self._url = url
        self._keys = keys
        self._tls = tls
        keys_in_text = [one.removeprefix(PREFIX) for one in secret.replace(",", " ").split()]
        self._hidden = (*keys_in_text, *url.secrets())

    def send(self, outgoing: Outgoing) -> Outcome:
        """Post once and wait for the answer at most TOTAL_SECONDS."""
        answer = _Answer()
        try:
            asyncio.run(self._post(outgoing, answer))
        except (httpx.TransportError, httpx.InvalidURL, UnicodeError, TimeoutError) as error:
            if answer.status == 0:
                return Outcome("retry", self._trouble(error))
        return self._judge(answer, outgoing.at)

    def close(self) -> None:
        """Nothing is held between deliveries."""

    async def _post(self, outgoing: Outgoing, answer: _Answer) -> None:
        headers = {
            "content-type": "application/json",
            "user-agent": "acrwatch",
            # No compression: a few bytes must not unfold into gigabytes here.
            "accept-encoding": "identity",
            **signed_headers(self._keys, id=outgoing.id, at=outgoing.at, body=outgoing.body),
        }
        limits = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)

        async def keep(response: httpx.Response) -> None:
            answer.status, answer.headers = response.status_code, response.headers

        # Where a redirect leads is read by httpx even if it is not followed, and may be no address: hooks come before.
        hooks = {"response": [keep]}
        # httpx bounds each read; only this bounds an answer that drips in byte by byte.
        async with asyncio.timeout(TOTAL_SECONDS):
            async with httpx.AsyncClient(
                verify=self._tls, trust_env=False, timeout=limits, event_hooks=hooks
            ) as client:
                request = client.stream("POST", self._url.reveal(), content=outgoing.body, headers=headers)
                async with request as response:
                    async for chunk in response.aiter_raw():
                        answer.body = (answer.body + chunk)[:MAX_ANSWER_BYTES]
                        if len(answer.body) == MAX_ANSWER_BYTES:
                            return

    def _judge(self, answer: _Answer, at: datetime) -> Outcome:
        status = answer.status
        said = f"HTTP {status} {self._quote(answer.body)}".strip()
        if 200 <= status < 300:
            return Outcome("sent", said, status)
        if status in _RETRIED or status >= 500:
            return Outcome("retry", said, status, _retry_after(answer.headers.get("retry-after"), at))
        advice = _ADVICE.get(status, "It refuses what we send: see its answer, and check `url`")
        if status < 400:
            advice = "Redirects are not followed: set `url` to the address it redirects to"
        return Outcome("dead", f"{advice}. {said}", status)

    def _trouble(self, error: Exception) -> str:
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return f"{self._url} did not answer in time ({type(error).__name__})"
        advice = "; check `ca_file`" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
        why = _root(error)
        said = str(why) or f"it hung up ({type(why).__name__})"
        return f"{self._url} cannot be reached{advice}: {self._quote(said.encode())}"

    def _quote(self, answer: bytes) -> str:
        shown = answer.decode("utf-8", "replace")
        for hidden in self._hidden:
            shown = shown.replace(hidden, MASK)
        return printable(mask(shown))[:KEPT_CHARACTERS]


def _root(error: BaseException) -> BaseException:
    """Return what is behind an error: httpx says "All connection attempts failed", and not why."""
    while behind := error.__cause__ or error.__context__:
        error = behind
    return _root(error.exceptions[-1]) if isinstance(error, BaseExceptionGroup) else error


def _retry_after(written: str | None, now: datetime) -> timedelta | None:
    """Return how long the receiver asks us to wait, in seconds or as an HTTP date; at most an hour."""
    if written is None:
        return None
    try:
        if written.strip().isdecimal():
            wait = timedelta(seconds=min(int(written), MAX_RETRY_AFTER.total_seconds()))
        else:
            until = parsedate_to_datetime(written)
            wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):  # numbers of thousands of digits, or that no date has
        return None
    return min(max(wait, timedelta(0)), MAX_RETRY_AFTER)


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"ca_file {ca_file} cannot be used ({error.strerror or error})", remedy="It must be a readable PEM file"
        ) from error
