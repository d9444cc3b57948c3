"""`acrwatch devhub`: an event hub on this machine."""

import click

from acrwatch.cli.output import note, write_text


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=5672, show_default=True, help="0 takes any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--hub", "hubs", multiple=True, default=("acr-audit",), show_default=True, help="Name; repeatable.")
@click.option("--partitions", type=click.IntRange(1, 32), default=4, show_default=True, help="Of each hub.")
@click.option("--key", envvar="ACRWATCH_DEVHUB_KEY", help="The shared access key. Default: a new random one.")
def devhub(port: int, host: str, hubs: tuple[str, ...], partitions: int, key: str | None) -> None:
    """Serve a local Event Hubs endpoint for development.

    Prints the connection string on stdout and serves until interrupted. Messages are kept in memory only.
    """
    from acrwatch.devhub import DevHub

    with DevHub(hubs=dict.fromkeys(hubs, partitions), host=host, port=port, key=key) as server:
        write_text(server.connection_string)
        note(f"Serving {', '.join(hubs)} with {partitions} partitions each on port {server.port}. Ctrl-C ends it.")
        server.serve_forever()
