"""The registry's settings as they are handled: templates that state all of them again, and now and then a person."""

from typing import Any, Final

from acrwatch.simulate import activity_wire as wire
from acrwatch.simulate import addresses
from acrwatch.simulate.chance import guid, hex_text
from acrwatch.simulate.everyday.spell import Recurring
from acrwatch.simulate.people import Person
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.rhythm import Slice
from acrwatch.simulate.tape import Caller, Tape, seconds

_ACR_PULL: Final = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
_STEP_SECONDS: Final = 4


def deployer_of(seed: int) -> str:
    """Return the object id of the service principal that the company's templates run as."""
    return guid(hex_text(32, seed, "templates"))


class Templates:
    """Infrastructure as code: a run every twelve days or so that writes every setting of a registry as it was.

    Seen one by one its writes open a firewall, make tokens and give roles; nothing is other than before.
    """

    def __init__(self, seed: int, registry: Registry, token: str, kubelet: str) -> None:
        address = addresses.host_in(addresses.CI_EGRESS[1], 9)
        self._caller = Caller(registry, deployer_of(seed), address, "")
        self._token, self._kubelet = token, kubelet
        self._assignment = guid(hex_text(32, seed, registry.name, "acr pull"))
        self._runs = Recurring(f"{seed}/{registry.name}/templates", 12, 1, 1, hours=(8, 17), weekdays=True)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Apply, if a run begins in this slice."""
        if self._runs.now(moment) is None:
            return
        start = moment.start + seconds(120 * tape.random.random())
        for step, (operation, below, request) in enumerate(self._stated()):
            ticks = start + seconds(_STEP_SECONDS * step)
            tape.control(ticks, self._caller, operation, below=below, request=request)

    def _stated(self) -> list[tuple[str, str, dict[str, Any]]]:
        registry = self._caller.registry
        scope = f"/scopeMaps/{self._token}"
        scope_map = {"actions": ["repositories/payments/api/content/read"]}
        token = {"scopeMapId": f"{registry.resource_id}{scope}", "status": "enabled"}
        role = {
            "PrincipalId": self._kubelet,
            "RoleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{_ACR_PULL}",
        }
        hook = {"serviceUri": "https://deploy.example.com/hook", "actions": ["push"], "status": "enabled"}
        log = {"logs": [{"categoryGroup": "audit", "enabled": True}]}
        return [
            (wire.WRITE, "", {"properties": stated_settings(registry)}),
            (wire.WRITE_SCOPE_MAP, scope, {"properties": scope_map}),
            (wire.WRITE_TOKEN, f"/tokens/{self._token}", {"properties": token}),
            (wire.WRITE_WEBHOOK, "/webhooks/deploy", {"properties": hook}),
            (
                wire.ASSIGN_ROLE,
                f"/providers/Microsoft.Authorization/roleAssignments/{self._assignment}",
                {"Properties": role},
            ),
            (
                wire.WRITE_DIAGNOSTIC_SETTING,
                "/providers/Microsoft.Insights/diagnosticSettings/acr-audit",
                {"properties": log},
            ),
        ]


def stated_settings(registry: Registry) -> dict[str, Any]:
    """Return the properties of a registry as its template states them, run after run."""
    ranges = [one for one in addresses.allowed_ranges(registry.index) if ":" not in one and not one.startswith("10.")]
    rules = [{"action": "Allow", "value": one} for one in ranges]
    return {
        "adminUserEnabled": False,
        "anonymousPullEnabled": registry.public,
        "publicNetworkAccess": "Disabled" if registry.private else "Enabled",
        "networkRuleSet": {"defaultAction": "Allow" if registry.public else "Deny", "ipRules": rules},
    }


class AddressByHand:
    """The platform engineer lets one address more through a registry's firewall, about once in 45 days."""

    def __init__(self, seed: int, person: Person, registry: Registry) -> None:
        self._person, self._registry = person, registry
        self._spells = Recurring(f"{seed}/{registry.name}/address", 45, 1, 1, hours=(9, 15), weekdays=True)

    def perform(self, tape: Tape, moment: Slice) -> None:
        """Add it, from home."""
        if self._spells.now(moment) is None:
            return
        caller = self._person.home_caller(self._registry, tape.random)
        address = addresses.host_in(addresses.CI_EGRESS[0], 10)
        stated = stated_settings(self._registry)["networkRuleSet"]
        rules = {**stated, "ipRules": [*stated["ipRules"], {"action": "Allow", "value": address}]}
        tape.control(moment.start, caller, wire.WRITE, request={"properties": {"networkRuleSet": rules}})
