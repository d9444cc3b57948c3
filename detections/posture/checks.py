"""The practices, one entry each: settings as Microsoft's pages on Azure Container Registry recommend them.

Pages, dates and commands were compared with the documentation's source (MicrosoftDocs/azure-management-docs of
2026-08-20), ids and names of policies with their definitions (Azure/azure-policy of 2026-04-29). Unverified: what
quarantine needs beside the setting, for its page is of 2018.
"""

from ipaddress import ip_network
from typing import Any, Final

from detections.posture.check import UNKNOWN, Check, Facts, Finding, Policy, failed, of_fact, passed, unsaid
from storage.schema import CATEGORIES

_DOCS: Final = "https://learn.microsoft.com/azure/container-registry/"
_ON: Final = "enabled"
_OFF: Final = "disabled"
# Groups that hold both categories (https://learn.microsoft.com/azure/azure-monitor/platform/diagnostic-settings).
_GROUPS: Final = ("audit", "alllogs")
# Nobody's own network is larger; two halves of the internet are rules that deny nobody.
_WIDEST: Final = 8


def _firewall(facts: Facts) -> Finding:
    if facts.get("public_network_access") == _OFF:
        return passed("the public endpoint is closed")
    action = facts.get("default_action")
    if action is None:
        small = facts.get("sku") in ("basic", "standard")
        return failed(f"tier {facts['sku']} has no firewall") if small else unsaid("default_action")
    if action != "deny":
        return failed("any address may connect")
    wide = [rule for rule in facts.get("ip_rules", ()) if ip_network(rule).prefixlen < _WIDEST]
    return failed(f"denies by default, but lets in {', '.join(wide)}") if wide else passed("denies by default")


def _private_link(facts: Facts) -> Finding:
    states = facts.get("private_endpoints")
    if states is None:
        return unsaid("private_endpoints")
    approved = states.count("approved")
    if approved:
        return passed(f"approved private endpoints: {approved}")
    return failed(f"private endpoints, none approved: {len(states)}" if states else "no private endpoint")


def _retention(facts: Facts) -> Finding:
    """Azure does not let both policies be on; either bounds what is deleted or kept."""
    if facts.get("retention") == _ON:
        return passed(f"untagged manifests go after {facts.get('retention_days', '?')} days")
    if facts.get("soft_delete") == _ON:
        return passed(f"soft delete keeps what was deleted for {facts.get('soft_delete_days', '?')} days")
    if "retention" not in facts and "soft_delete" not in facts:
        return unsaid("retention")
    return failed("neither a retention policy nor soft delete")


def _audit(facts: Facts) -> Finding:
    """By the diagnostic settings; without them, by the events that arrived."""
    settings = facts.get("diagnostics")
    if settings is None:
        return _audit_by_events(facts)
    kept = {log.casefold() for one in settings for log in one.get("logs", ())}
    if kept.intersection(_GROUPS):
        return passed("all audit logs are sent")
    missing = [name for name in CATEGORIES if name.casefold() not in kept]
    return failed(f"not sent: {', '.join(missing)}") if missing else passed("both audit logs are sent")


def _audit_by_events(facts: Facts) -> Finding:
    seen = facts.get("categories_seen")
    if seen is None or not seen:
        return Finding(UNKNOWN, "not known: no diagnostic setting was imported, and no event arrived lately")
    if set(CATEGORIES) <= set(seen):
        return passed("events of both audit logs arrived lately")
    return Finding(UNKNOWN, f"not known: lately only events of {', '.join(sorted(seen))} arrived")


def _tokens(facts: Facts) -> Finding:
    tokens: list[dict[str, Any]] | None = facts.get("tokens")
    if tokens is None:
        return unsaid("`az acr token list`")
    lasting = [one["name"] for one in tokens if one.get("status") == _ON and None in one.get("expiries", ())]
    return failed(f"passwords that never expire: {', '.join(lasting)}") if lasting else passed("every password expires")


def _scanning(facts: Facts) -> Finding:
    tier = facts.get("defender_tier")
    if tier is None:
        return unsaid("Defender's plan")
    return passed("Defender for Containers is on") if tier == "standard" else failed("Defender for Containers is off")


_LOGGING_POLICY: Final = Policy(
    "9ba29e83-863d-4fec-81d0-16dd87067cc3",
    "Enable logging by category group for Container registries (microsoft.containerregistry/registries) to Event Hub",
)
_SCANNING_POLICY: Final = Policy(
    "090c7b07-b4ed-4561-ad20-e9075f3ccaff",
    "Azure registry container images should have vulnerabilities resolved "
    "(powered by Microsoft Defender Vulnerability Management)",
)

CHECKS: Final = (
    Check(
        "admin-user",
        "The admin user is off",
        "high",
        of_fact("admin_enabled", {False: "off"}, {True: "on: one account with all rights, shared by all who know it"}),
        "az acr update -n {registry} --admin-enabled false; give its users Entra roles or tokens",
        _DOCS + "container-registry-authentication#admin-account",
        (
            Policy(
                "dc921057-6b28-4fbe-9b83-f7bec05db6c2", "Container registries should have local admin account disabled."
            ),
        ),
    ),
    Check(
        "anonymous-pull",
        "Nobody pulls without signing in",
        "high",
        of_fact("anonymous_pull", {False: "off"}, {True: "on: anyone pulls from every repository"}),
        "az acr update -n {registry} --anonymous-pull-enabled false",
        _DOCS + "anonymous-pull-access",
        (
            Policy(
                "9f2dea28-e834-476c-99c5-3507b4728395",
                "Container registries should have anonymous authentication disabled.",
            ),
        ),
    ),
    Check(
        "firewall-default-deny",
        "The firewall denies by default",
        "high",
        _firewall,
        "az acr update -n {registry} --default-action Deny, after az acr network-rule add for each range (Premium)",
        _DOCS + "container-registry-access-selected-networks",
        (
            Policy(
                "d0793b48-0edc-4296-a390-4c75d1bdfd71",
                "Container registries should not allow unrestricted network access",
            ),
        ),
    ),
    Check(
        "public-access",
        "The public endpoint is closed",
        "medium",
        of_fact("public_network_access", {_OFF: "closed"}, {_ON: "open, within the firewall's rules"}),
        "az acr update -n {registry} --public-network-enabled false, once clients use private endpoints (Premium)",
        _DOCS + "container-registry-private-endpoints#disable-public-access-to-a-registry",
        (
            Policy(
                "0fdf0491-d080-4575-b627-ad0e843cba0f",
                "Public network access should be disabled for Container registries",
            ),
        ),
    ),
    Check(
        "private-link",
        "Clients have a private endpoint",
        "medium",
        _private_link,
        "az network private-endpoint create for the registry (Premium), and approve it",
        _DOCS + "container-registry-private-endpoints",
        (Policy("e8eef0a8-67cf-4eb4-9386-14b0e78733d4", "Container registries should use private link"),),
    ),
    Check(
        "customer-managed-key",
        "Images are encrypted with a key of one's own",
        "low",
        of_fact("encryption", {_ON: "with a key of one's own"}, {_OFF: "with Microsoft's key"}),
        "Only a new registry can have one: az acr create --identity ... --key-encryption-key ... (Premium)",
        _DOCS + "tutorial-enable-customer-managed-keys",
        (
            Policy(
                "5b9159ae-1701-4a6f-9a7a-aa9c8ddd0580",
                "Container registries should be encrypted with a customer-managed key",
            ),
        ),
    ),
    Check(
        "data-endpoints",
        "Layers come from dedicated data endpoints",
        "medium",
        of_fact(
            "data_endpoint_enabled",
            {True: "on"},
            {False: "off: clients need *.blob.core.windows.net, which lets data out to any storage account"},
        ),
        "az acr update -n {registry} --data-endpoint-enabled, after the clients' firewalls allow them (Premium)",
        _DOCS + "container-registry-dedicated-data-endpoints",
    ),
    Check(
        "retention",
        "Untagged or deleted images are kept for a set time",
        "low",
        _retention,
        "az acr config retention update -r {registry} --status enabled --days 30 --type UntaggedManifests (Premium, "
        "preview), or az acr config soft-delete update -r {registry} --status enabled --days 7 (preview)",
        _DOCS + "container-registry-retention-policy",
    ),
    Check(
        "audit-logs",
        "Both audit logs are sent",
        "high",
        _audit,
        "az monitor diagnostic-settings create with both categories; `acrwatch init` prints the whole command",
        _DOCS + "monitor-container-registry",
        (_LOGGING_POLICY,),
        "Import `az monitor diagnostic-settings list --resource ID`.",
    ),
    Check(
        "role-assignment-mode",
        "Roles can be assigned by repository (ABAC)",
        "low",
        of_fact(
            "role_assignment_mode",
            {"abacrepositorypermissions": "by repository"},
            {"legacyregistrypermissions": "by registry: who may pull one repository may pull all"},
        ),
        "az acr update -n {registry} --role-assignment-mode rbac-abac, after assigning the repository roles: AcrPull, "
        "AcrPush and AcrDelete hold no longer then",
        _DOCS + "container-registry-rbac-abac-repository-permissions",
    ),
    Check(
        "quarantine",
        "New images wait until they are scanned",
        "low",
        of_fact("quarantine", {_ON: "on"}, {_OFF: "off: an image can be pulled before it is scanned"}),
        "Set policies.quarantinePolicy.status to enabled (preview); a scanner must release images then",
        "https://github.com/Azure/acr/tree/main/docs/preview/quarantine",
    ),
    Check(
        "export-policy",
        "Images cannot be exported",
        "medium",
        of_fact("export", {_OFF: "off"}, {_ON: "on: az acr import copies images to any other registry"}),
        "Set policies.exportPolicy.status to disabled; the public endpoint must be closed first (Premium)",
        _DOCS + "data-loss-prevention",
        (Policy("524b0254-c285-4903-bee6-bb8126cde579", "Container registries should have exports disabled"),),
    ),
    Check(
        "content-trust",
        "Signatures do not rest on content trust, which ends on 2028-03-31",
        "low",
        of_fact(
            "content_trust",
            {_OFF: "not used"},
            {_ON: "on: not to be enabled anew since 2026-05-31, gone on 2028-03-31"},
        ),
        "Sign with Notary Project (notation); then az acr config content-trust update -r {registry} --status disabled",
        _DOCS + "container-registry-content-trust",
    ),
    Check(
        "image-scanning",
        "Images are scanned for vulnerabilities",
        "medium",
        _scanning,
        "az security pricing create --name Containers --tier Standard",
        "https://learn.microsoft.com/azure/defender-for-cloud/agentless-vulnerability-assessment-azure",
        (
            Policy("1c988dd6-ade4-430f-a608-2a3e5b0a6d38", "Microsoft Defender for Containers should be enabled"),
            _SCANNING_POLICY,
        ),
        "Import `az security pricing show --name Containers`, with --registry.",
    ),
    Check(
        "arm-tokens",
        "Only tokens made for the registry sign in",
        "low",
        of_fact(
            "arm_audience_tokens", {_OFF: "off"}, {_ON: "on: a token made for Azure Resource Manager signs in, too"}
        ),
        "az acr config authentication-as-arm update -r {registry} --status disabled",
        _DOCS + "container-registry-disable-authentication-as-arm",
        (
            Policy(
                "42781ec6-6127-4c30-bdfa-fb423a0047d3",
                "Container registries should have ARM audience token authentication disabled.",
            ),
        ),
    ),
    Check(
        "token-expiry",
        "Passwords of tokens expire",
        "medium",
        _tokens,
        "az acr token credential generate -r {registry} -n TOKEN --expiration-in-days 90",
        _DOCS + "container-registry-token-based-repository-permissions",
        (
            Policy(
                "ff05e24e-195c-447e-b322-5e90c9f9f366",
                "Container registries should have repository scoped access token disabled.",
            ),
        ),
        "Import `az acr token list`.",
    ),
)
