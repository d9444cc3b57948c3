"""An intruder with rights in Azure: who they are, which road their requests take, and what the Activity Log says of it.

Written from Microsoft's documentation of the log, of Azure Resource Manager and of the command line, without knowledge
of the rules. One action may leave a start and a success, an acceptance between them when it takes long, or a refusal
alone when it never reached the registry's provider; what one template deploys shares one correlation id.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from acrwatch.simulate import activity_wire as wire
from acrwatch.simulate import addresses
from acrwatch.simulate.attacks.stage import Stage
from acrwatch.simulate.chance import guid
from acrwatch.simulate.everyday.control_plane import deployer_of, stated_settings
from acrwatch.simulate.registry import Registry
from acrwatch.simulate.tape import Caller, seconds

_CLIENTS: Final = (wire.CLI, wire.PORTAL, wire.POWERSHELL)
_GUESTS: Final = ("m.ferrer_outlook.com", "dev.support_gmail.com", "j.okafor_partner.example.net")
_BY_HAND: Final = 0.2
"""Share of requests typed as JSON (`az rest`, `Invoke-AzRestMethod`): Azure takes names of members in any case."""
_WHOLE: Final = 0.3
"""Share of settings written by stating all of them, as `az resource update` and a template do; the rest patch."""
_TEMPLATE: Final = 0.15


class Refusal(Enum):
    """Why an action failed: signature, code, and whether Azure had passed it on to the provider (`Start`)."""

    FORBIDDEN = ("Failed.Forbidden", "AuthorizationFailed", False)
    LOCKED = ("Failed.Conflict", "ScopeLocked", False)
    BUSY = ("Failed.Conflict", "RegistryInProgress", True)


class Intruder:
    """Someone acting on the control plane of the stage's registry, drawn if not given. All chance is the stage's."""

    def __init__(self, stage: Stage, caller: Caller | None = None) -> None:
        self._stage, self.registry, random = stage, stage.registry, stage.random
        self.caller = _drawn(stage) if caller is None else caller
        self._app = random.choice(_CLIENTS)
        self._deployment = stage.tape.correlation() if random.random() < _TEMPLATE else None
        self._by_hand = self._app != wire.PORTAL and random.random() < _BY_HAND
        self._whole = self._deployment is not None or random.random() < _WHOLE
        self._spaces = random.random() < 0.3

    def begins(self) -> int:
        """Return when the action proper begins: four in ten first change a tag, one in five are refused once."""
        ticks, random = self._stage.ticks, self._stage.random
        if random.random() < 0.4:
            tags = {"tags": {"env": "prod", "reviewed": f"2026-{random.randint(1, 12):02}"}}
            ticks = self.does(ticks, wire.WRITE, request=tags) + self.pause(5, 90)
        if random.random() < 0.1:
            below = "/providers/Microsoft.Resources/tags/default"
            ticks = self.does(ticks, wire.WRITE_TAGS, below=below, request={"operation": "Merge", "properties": {}})
            ticks += self.pause(5, 60)
        return ticks

    def comes_back(self) -> None:
        """Let what follows be no part of the deployment so far."""
        if self._deployment is not None:
            self._deployment = self._stage.tape.correlation()

    def pause(self, least: float, most: float) -> int:
        """Return so many seconds, drawn, as ticks."""
        return seconds(self._stage.random.uniform(least, most))

    def does(
        self,
        ticks: int,
        operation: str,
        *,
        below: str = "",
        request: Mapping[str, Any] | str | None = None,
        long: bool = False,
        created: bool = False,
        above: bool = False,
        answer: Mapping[str, Any] | None = None,
    ) -> int:
        """Write an action that succeeds and return when it had; one that takes `long` is accepted first.

        An `answer` stands in the record of success, as `properties.responseBody`.
        """
        correlation = self._deployment or self._stage.tape.correlation()
        says = _Saying(self, operation, below, correlation, above)
        says.record(ticks, wire.STARTED, request=self._text(request))
        ticks += self.pause(0.1, 2.5)
        if long:
            says.record(ticks, wire.ACCEPTED, signature="Accepted.Created" if created else None, status="Accepted")
            ticks += self.pause(4, 150)
        end = "Succeeded." if long else "Succeeded.Created" if created else "Succeeded.OK"
        told = {} if answer is None else {"responseBody": json.dumps(answer, separators=(",", ":"))}
        says.record(ticks, wire.SUCCEEDED, signature=end, status="Created" if created else "OK", **told)
        return ticks

    def is_refused(
        self, ticks: int, operation: str, why: Refusal, *, below: str = "", request: Mapping[str, Any] | None = None
    ) -> int:
        """Write an action that fails and return when it had. What Azure itself refuses never starts."""
        signature, code, started = why.value
        says = _Saying(self, operation, below, self._stage.tape.correlation(), above=False)
        if started:
            says.record(ticks, wire.STARTED, request=self._text(request))
            ticks += self.pause(0.2, 3)
        message = json.dumps({"error": {"code": code, "message": f"{code} at {operation}"}})
        says.record(ticks, wire.FAILED, signature=signature, status=signature[7:], statusMessage=message)
        return ticks

    def sets(self, ticks: int, change: Mapping[str, Any]) -> int:
        """Write a change of the registry's settings, by the intruder's road, and return when it was done."""
        if self._stage.random.random() < 0.2:
            why = self._stage.random.choice((Refusal.FORBIDDEN, Refusal.BUSY))
            ticks = self.is_refused(ticks, wire.WRITE, why, request={"properties": change}) + self.pause(15, 240)
        request: dict[str, Any] = {"properties": dict(change)}
        if self._whole:
            request = whole(self.registry, change)
        elif self._by_hand:
            request = {"properties": _lowered(change)}
        return self.does(ticks, wire.WRITE, request=request, long=self._stage.random.random() < 0.4)

    def _text(self, request: Mapping[str, Any] | str | None) -> str | None:
        if request is None or isinstance(request, str):
            return request
        return json.dumps(request) if self._spaces else json.dumps(request, separators=(",", ":"))

    def says(self, ticks: int, operation: str, told: dict[str, Any], noted: dict[str, Any]) -> None:
        """Write one record."""
        subscription = wire.group_of(self.registry).split("/")[2].lower()
        noted = {"message": operation, "hierarchy": f"{self.registry.tenant_id}/{subscription}", **noted}
        self._stage.tape.activity(ticks, self.caller, operation, app=self._app, noted=noted, **told)


class _Saying:
    """The records of one action."""

    def __init__(self, by: Intruder, operation: str, below: str, correlation: str, above: bool) -> None:
        self._by, self._operation = by, operation
        self._shared = {"below": below, "correlation": correlation, "above": above}

    def record(
        self,
        ticks: int,
        result: str,
        *,
        signature: str | None = None,
        request: str | None = None,
        status: str | None = None,
        **noted: str,
    ) -> None:
        answered: dict[str, Any] = {} if status is None else {"statusCode": status, "serviceRequestId": None}
        told = {**self._shared, "result": result, "signature": signature, "request": request}
        self._by.says(ticks, self._operation, told, {**answered, **noted})


def whole(registry: Registry, change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request that states a registry anew, with a change; what a rule set leaves open stays as stated."""
    stated = stated_settings(registry)
    rules = {**stated["networkRuleSet"], **change.get("networkRuleSet", {})}
    return {
        "location": registry.location,
        "sku": {"name": "Premium", "tier": "Premium"},
        "tags": {"env": "prod"},
        "properties": {
            "loginServer": registry.login_server,
            "provisioningState": "Succeeded",
            "policies": {"quarantinePolicy": {"status": "disabled"}, "exportPolicy": {"status": "enabled"}},
            "networkRuleBypassOptions": "AzureServices",
            **stated,
            **change,
            "networkRuleSet": rules,
        },
    }


def _lowered(change: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): _lowered(value) if isinstance(value, Mapping) else value for name, value in change.items()}


def templates_of(stage: Stage) -> Caller:
    """Return the principal that templates run as, at the address they run from."""
    usual = addresses.host_in(addresses.CI_EGRESS[1], 9)
    return Caller(stage.registry, deployer_of(stage.people.seed), usual, "")


def _drawn(stage: Stage) -> Caller:
    """Return a person with a stolen session, an insider, the templates' secret elsewhere, a machine or a guest."""
    random, draw = stage.random, stage.random.random()
    someone = random.choice(stage.people.people).home_caller(stage.registry, random)
    if draw < 0.35:
        return stage.outside(someone) if random.random() < 0.7 else stage.away(someone)
    if draw < 0.5:
        return someone
    if draw < 0.7:
        return stage.outside(templates_of(stage))
    if draw < 0.85:
        machine = guid(f"{random.getrandbits(128):032x}")
        nat = addresses.host_in(addresses.CLUSTER_EGRESS, random.randrange(200))
        return Caller(stage.registry, machine, nat, "")
    guest = f"{random.choice(_GUESTS)}#EXT#@contoso.onmicrosoft.com"
    return stage.outside(Caller(stage.registry, guest, "", ""))
