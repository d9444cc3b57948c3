"""What is in the registries: repositories, builds and their digests, all pure functions of the seed and the time."""

from functools import lru_cache
from typing import Final, NamedTuple

from acrwatch.simulate.chance import hex_text
from acrwatch.simulate.wire import TICKS_PER_SECOND

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"

REPOSITORIES: Final = (
    "payments/api", "payments/worker", "payments/migrations", "web/storefront", "web/admin", "web/assets",
    "identity/gateway", "identity/sync", "search/indexer", "search/query", "orders/api", "orders/events",
    "platform/ingress", "platform/agent", "platform/backup", "base/python", "base/dotnet", "base/node",
)  # fmt: skip
BASE_IMAGES: Final = ("base/python", "base/dotnet", "base/node")


class Image(NamedTuple):
    """One multi-architecture build: a tag on an index that lists two platform manifests."""

    repository: str
    tag: str
    index_digest: str
    index_type: str
    amd64_digest: str
    arm64_digest: str
    manifest_type: str


def image_at(seed: int, registry: str, repository_index: int, ticks: int, *, builds_back: int = 0) -> Image:
    """Return the build of a repository (index wraps round) that is current at a time, or one from before it.

    Repositories are rebuilt every 6 to 40 hours, each at its own pace.
    """
    place = repository_index % len(REPOSITORIES)
    build = ticks // ((6 + 2 * place) * 3600 * TICKS_PER_SECOND) - builds_back
    return _image(seed, registry, place, build)


def made_image(repository: str, tag: str, *parts: object) -> Image:
    """Return a build under any name, its digests fixed by the parts: equal parts, the same build."""
    index_digest, amd64_digest, arm64_digest = (f"sha256:{hex_text(64, *parts, kind)}" for kind in ("i", "a", "b"))
    return Image(repository, tag, index_digest, OCI_INDEX, amd64_digest, arm64_digest, OCI_MANIFEST)


@lru_cache(maxsize=4096)
def _image(seed: int, registry: str, place: int, build: int) -> Image:
    digests = (f"sha256:{hex_text(64, seed, registry, place, build, part)}" for part in ("index", "amd64", "arm64"))
    index_digest, amd64_digest, arm64_digest = digests
    docker = place % 3 == 2
    return Image(
        repository=REPOSITORIES[place],
        tag=f"2.{build // 100 % 1000}.{build % 100}",
        index_digest=index_digest,
        index_type=DOCKER_LIST if docker else OCI_INDEX,
        amd64_digest=amd64_digest,
        arm64_digest=arm64_digest,
        manifest_type=DOCKER_MANIFEST if docker else OCI_MANIFEST,
    )
