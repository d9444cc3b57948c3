"""Which detections may rightly fire on an attack beside the one it is made for, by what the attack shows.

Written from what the detections promise, not from how they are built: who acts from a network of nobody's may be told
by any detection of strange networks, whatever else the attack is about.
"""

from typing import Final

ADMIN: Final = frozenset({"admin-user-login", "admin-login-while-disabled", "admin-push-or-delete"})
LOGINS: Final = frozenset({
    "failed-login-burst", "password-spray", "success-after-failures", "blocked-network-burst"
})  # fmt: skip
NEWCOMER: Final = frozenset({
    "first-seen-identity", "anomalous-source-ip", "first-country", "country-new-to-registry"
})  # fmt: skip
NETWORK: Final = frozenset({
    "anomalous-source-ip", "identity-on-two-networks", "first-country", "country-new-to-registry", "impossible-travel"
})  # fmt: skip
OUTSIDE: Final = NETWORK | {"pull-outside-allowed-ranges", "write-outside-allowed-ranges"}
CLIENT: Final = frozenset({"new-user-agent-family", "odd-user-agent"})
WRITE: Final = frozenset({"role-drift", "off-hours-write", "push-outside-pipeline", "first-push-to-repository"})
PUSH: Final = WRITE | {
    "protected-tag-overwritten", "tag-overwrite-burst", "look-alike-repository", "push-then-foreign-pull"
}  # fmt: skip
DELETE: Final = frozenset({
    "mass-delete", "slow-delete", "mass-untag", "repository-wiped", "delete-outside-purge-identity",
    "delete-by-newcomer", "role-drift", "off-hours-write",
})  # fmt: skip
CONTROL: Final = frozenset({
    "admin-user-enabled", "firewall-loosened", "public-access-enabled", "anonymous-pull-enabled",
    "credentials-listed-or-regenerated", "token-or-scope-map-written", "role-assigned-on-registry", "image-imported",
    "diagnostic-setting-removed", "registry-deleted", "registry-lock-removed", "private-endpoint-removed",
    "webhook-written", "registry-written-unseen",
})  # fmt: skip
"""Whoever changes settings may be told by any rule on settings: each asks for operations of its own."""
READ: Final = frozenset({"pull-volume-spike", "repository-spread", "repository-enumeration", "throttling-storm"})
