"""`acrwatch devhub --tls`, as a process that a client connects to."""

import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WAIT = 30  # seconds


def test_tls_is_served_by_the_authority_in_the_named_file(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    command = [sys.executable, "-m", "acrwatch", "devhub", "--port", "0", "--tls", str(ca)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            endpoint = process.stdout.readline().removeprefix("Endpoint=").split(";")[0]
            said = process.stderr.readline() + process.stderr.readline()  # the log's line, then ours
            assert f"custom_endpoint_address='{endpoint}'" in said
            context = ssl.create_default_context(cafile=str(ca))
            with (
                socket.create_connection(("127.0.0.1", urlsplit(endpoint).port or 0), WAIT) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as secured,
            ):
                assert secured.version() == "TLSv1.3"
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=WAIT)


def test_a_certificate_file_that_cannot_be_written_is_a_configuration_error(call: Callable[..., Any]) -> None:
    done = call("devhub", "--port", "0", "--tls", "missing/ca.pem")
    assert done.exit_code == 2
    assert "Cannot write the certificate to 'missing/ca.pem'" in done.stderr
