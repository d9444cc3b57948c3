"""`acrwatch devhub`: an event hub on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from acrwatch.cli.output import note, write_text
from acrwatch.core.wording import counted

if TYPE_CHECKING:
    from acrwatch.devhub import DevHub


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=5672, show_default=True, help="0 takes any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--hub", "hubs", multiple=True, default=("acr-audit",), show_default=True, help="Name; repeatable.")
@click.option("--partitions", type=click.IntRange(1, 32), default=4, show_default=True, help="Of each hub.")
@click.option("--key", envvar="ACRWATCH_DEVHUB_KEY", help="The shared access key. Default: a new random one.")
@click.option(
    "--tls",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="CA_FILE",
    help="Serve TLS, and write the certificate that clients must trust to this file.",
)
def devhub(port: int, host: str, hubs: tuple[str, ...], partitions: int, key: str | None, tls: Path | None) -> None:
    """Serve a local Event Hubs endpoint for development.

    Prints the connection string on stdout and serves until interrupted. Messages are kept in memory only.
    """
    from acrwatch.devhub import DevHub

    with DevHub(hubs=dict.fromkeys(hubs, partitions), host=host, port=port, key=key, tls=tls is not None) as server:
        if tls is not None:
            _explain_tls(server, tls)
        write_text(server.connection_string)
        where = f"{counted(partitions, 'partition')} each on port {server.port}"
        note(f"Serving {', '.join(hubs)} with {where}. Ctrl-C ends it.")
        server.serve_forever()


def _explain_tls(server: "DevHub", path: Path) -> None:
    server.write_ca(path)
    note(
        f"Clients need, besides the connection string: custom_endpoint_address={server.endpoint!r}, "
        f"transport_type=TransportType.Amqp, connection_verify={str(path)!r}"
    )
