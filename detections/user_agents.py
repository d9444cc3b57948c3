"""Families of clients, told by the first product of a user agent: `docker/27.4.1 go/go1.22.10 ...` is docker's.

What clients send, by their sources: containerd `containerd/VERSION` (core/remotes/docker), BuildKit `buildkit/VERSION`
(version.UserAgent), ORAS `oras/VERSION`, Helm `Helm/VERSION` (version.GetUserAgent), Skopeo `skopeo/VERSION`, other
programs of containers/image `containers/VERSION`, go-containerregistry and what is built on it `crane/VERSION
go-containerregistry/VERSION`. Microsoft's webhook samples show Docker and, for the Azure CLI's `az acr repository`,
`python-requests/VERSION`; ACR's own purge command is `acr-cli/VERSION`; Azure's SDKs name `azsdk-` or `Azure-SDK-`
somewhere. None of these but Docker, python-requests and an Azure SDK has been seen in a public ACR log.
"""

from collections.abc import Mapping, Sequence
from typing import Final

OTHER: Final = "other"

_FAMILIES: Final[Mapping[str, Sequence[str]]] = {
    "docker": ("docker", "docker-client"),
    "containerd": ("containerd",),
    "buildkit": ("buildkit",),
    "oras": ("oras", "oras-go"),
    "helm": ("helm",),
    "go-containerregistry": ("crane", "go-containerregistry", "ko", "kaniko"),
    "skopeo": ("skopeo",),
    "containers": ("containers", "podman", "buildah"),
    "cosign": ("cosign",),
    "trivy": ("trivy",),
    "azure-cli": ("azurecli", "azure-cli", "az"),
    "acr-cli": ("acr-cli",),
    "kubelet": ("kubelet", "kubernetes-credentialprovider-acr"),
    "python-requests": ("python-requests",),
    "go": ("go-http-client",),
    "curl": ("curl",),
    "wget": ("wget",),
    "browser": ("mozilla",),
}


def _sql() -> str:
    products = " ".join(f"WHEN '{name}' THEN '{family}'" for family, names in _FAMILIES.items() for name in names)
    by_product = f"CASE lower(split_part(split_part(user_agent, ' ', 1), '/', 1)) {products} ELSE '{OTHER}' END"
    sdk = "contains(user_agent, 'azsdk-') OR contains(user_agent, 'Azure-SDK-')"
    return f"CASE WHEN user_agent IS NULL THEN NULL WHEN {sdk} THEN 'azure-sdk' ELSE {by_product} END"


# The family of an event's user agent, as SQL; NULL where it has none.
FAMILY: Final = _sql()
