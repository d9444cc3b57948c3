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

# By family, what such a user agent begins with in lower case; the commonest first, for the search ends with the first.
_FAMILIES: Final[Mapping[str, Sequence[str]]] = {
    "containerd": ("containerd/",),
    "docker": ("docker/", "docker-client/"),
    "buildkit": ("buildkit/",),
    "python-requests": ("python-requests/",),
    "go": ("go-http-client/",),
    "go-containerregistry": ("crane/", "go-containerregistry/", "ko/", "kaniko/"),
    "oras": ("oras/", "oras-go"),
    "helm": ("helm/",),
    "skopeo": ("skopeo/",),
    "containers": ("containers/", "podman/", "buildah/"),
    "cosign": ("cosign/",),
    "trivy": ("trivy/",),
    "azure-cli": ("azurecli/", "azure-cli/", "az/"),
    "acr-cli": ("acr-cli/",),
    "kubelet": ("kubelet/", "kubernetes-credentialprovider-acr"),
    "curl": ("curl/",),
    "wget": ("wget/",),
    "browser": ("mozilla/",),
}


def _sql() -> str:
    begins = " ".join(
        f"WHEN starts_with(lower(user_agent), '{start}') THEN '{family}'"
        for family, starts in _FAMILIES.items()
        for start in starts
    )
    sdk = "WHEN contains(user_agent, 'azsdk-') OR contains(user_agent, 'Azure-SDK-') THEN 'azure-sdk'"
    return f"CASE WHEN user_agent IS NULL THEN NULL {begins} {sdk} ELSE '{OTHER}' END"


# The family of an event's user agent, as SQL; NULL where it has none.
FAMILY: Final = _sql()
