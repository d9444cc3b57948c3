"""What the service answers, and what we make of it: one line that says what to do, and never a key."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.storage.blob import ExponentialRetry

from acrwatch.core.errors import AcrWatchError, AuthError, ConfigError, NotFoundError, RemoteUnreachableError
from acrwatch.core.setting import Secret
from ingest.archive.address import Address, from_settings
from ingest.archive.blobs import GoneError, OutOfRangeError, RefusedBlobError
from ingest.archive.service import Container
from ingest.sources.archive import SETTINGS

AT_ONCE = ExponentialRetry(initial_backoff=0, increment_base=0, retry_total=4, random_jitter_range=0, retry_status=4)
SIGNATURE = "sv=2024-11-04&ss=b&srt=sco&sp=rl&sig=c2VjcmV0c2VjcmV0c2VjcmV0"
BODY = b'{"a": 1}\n'


class Service(ThreadingHTTPServer):
    """Answers with what `script` says, one after the other; then with a blob."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, str]] = []
        self.asked: list[str] = []
        self.callers: set[tuple[str, int]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/acct"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.callers.add(self.client_address)
        status, code = self.server.script.pop(0) if self.server.script else (206, "")
        body = BODY if status == 206 else f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"0x1"')
        if status == 206:
            self.send_header("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
        else:
            self.send_header("x-ms-error-code", code)
            self.send_header("Content-Type", "application/xml")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def container(service: Service) -> Iterator[Container]:
    made = Container(Address("acct", "logs", service.url, Secret(SIGNATURE)), retry=AT_ONCE)
    yield made
    made.close()


def test_a_range_comes_with_the_version_that_it_is_of(container: Container) -> None:
    found = container.read("b", 0, 100)
    assert (found.data, found.etag) == (BODY, "0x1")


@pytest.mark.parametrize("status", [(503, "ServerBusy"), (500, "OperationTimedOut"), (500, "InternalError")])
def test_a_service_that_is_busy_is_asked_again(service: Service, container: Container, status: tuple[int, str]) -> None:
    service.script = [status] * 4
    assert container.read("b", 0, 100).data == BODY
    assert len(service.asked) == 5
    assert len(service.callers) == 1, "each refusal costs a connection"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AuthenticationFailed", AuthError),
        (403, "AuthorizationPermissionMismatch", AuthError),
        (401, "InvalidAuthenticationInfo", AuthError),
        (404, "ContainerNotFound", NotFoundError),
        (404, "BlobNotFound", GoneError),
        (416, "InvalidRange", OutOfRangeError),
        (409, "BlobArchived", RefusedBlobError),
        (503, "ServerBusy", RemoteUnreachableError),
    ],
)
def test_every_refusal_has_a_meaning(
    service: Service, container: Container, status: int, code: str, error: type[AcrWatchError]
) -> None:
    service.script = [(status, code)] * 10
    with pytest.raises(AcrWatchError) as caught:
        container.read("b", 5, 100)
    assert type(caught.value) is error
    assert "'logs' of acct" in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_a_listing_that_fails_is_told_as_reading_is(service: Service, container: Container) -> None:
    service.script = [(403, "AuthorizationFailure")] * 3
    with pytest.raises(AuthError, match="Storage Blob Data Reader"):
        container.roots()
    with pytest.raises(AuthError, match="AuthorizationFailure"):
        list(container.listed("p"))


def test_an_account_that_does_not_answer_is_told() -> None:
    gone = Container(Address("acct", "logs", "http://127.0.0.1:9/acct", Secret(SIGNATURE)), retry=AT_ONCE)
    with pytest.raises(RemoteUnreachableError, match="cannot be reached"):
        gone.read("b", 0, 1)
    gone.close()


def settings(**given: object) -> dict[str, object]:
    return {**{setting.name: setting.default for setting in SETTINGS}, "container": "logs", **given}


def test_each_way_in_names_the_same_account() -> None:
    url = "https://Acct.blob.core.windows.net"
    ways = [
        settings(account_url=url),
        settings(sas_url=Secret(f"{url}/?{SIGNATURE}")),
        settings(sas_url=Secret(f"{url}/logs?{SIGNATURE}")),
        settings(connection_string=Secret("AccountName=acct;AccountKey=a2V5a2V5;EndpointSuffix=core.windows.net")),
        settings(connection_string=Secret(f"BlobEndpoint={url}/;SharedAccessSignature={SIGNATURE}")),
    ]
    assert {from_settings(way).name for way in ways} == {"archive/acct.blob.core.windows.net/logs"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "none of account_url, sas_url and connection_string"),
        ({"account_url": "https://a.example", "sas_url": Secret("x")}, "has account_url and sas_url"),
        ({"account_url": "acct"}, "account_url is not the URL"),
        ({"account_url": "http://acct.blob.core.windows.net"}, "begins with http://"),
        ({"account_url": f"https://a.example/?{SIGNATURE}"}, "holds a query"),
        ({"account_url": "https://a.example", "credential": "environment", "client_id": "c"}, "does not go with"),
        ({"account_url": "https://a.example", "connection_verify": "/nowhere.pem"}, "there is no file"),
        ({"sas_url": Secret("https://a.example/logs?sv=1")}, "no signature"),
        ({"sas_url": Secret(f"https://a.example/others?{SIGNATURE}")}, "sas_url is for 'others'"),
        ({"sas_url": Secret(f"https://u:p@a.example/?{SIGNATURE}")}, "sas_url is not the URL"),
        ({"connection_string": Secret("Endpoint=sb://ns/;SharedAccessKey=c2VjcmV0")}, "not one of a storage account"),
    ],
)
def test_what_cannot_be_is_told_before_anything_connects(given: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        from_settings(settings(**given))
    assert "c2VjcmV0" not in str(caught.value)


def test_a_credential_whose_surroundings_are_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    address = from_settings(settings(account_url="https://a.example", credential="workload_identity"))
    make: Callable[[Address], object] = Container
    with pytest.raises(ConfigError, match="workload_identity"):
        make(address)
