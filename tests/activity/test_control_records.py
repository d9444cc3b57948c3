"""What becomes of records of the Activity Log, in every shape they come in."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ingest.normalise import Normalised

Record = dict[str, Any]
Write = Callable[..., Record]
Decode = Callable[..., Normalised]


def only(normalised: Normalised) -> dict[str, Any]:
    assert normalised.rejects == ()
    rows: list[dict[str, Any]] = normalised.events.to_pylist()
    assert len(rows) == 1
    return rows[0]


def test_a_write_becomes_a_row_of_the_one_table(write: Write, decode: Decode) -> None:
    row = only(decode(write(requestbody='{"properties": {"adminUserEnabled": true}}')))
    assert (row["category"], row["operation"], row["registry"]) == ("Administrative", "registries/write", "contoso")
    assert (row["identity"], row["identity_kind"]) == ("alice@example.com", "user")
    assert (row["caller_ip"], row["result_type"], row["succeeded"]) == ("203.0.113.9", "Start", False)
    assert (row["source"], row["sequence_number"], row["partition_id"]) == ("eventhub/ns/hub/0/0", 7, "0")
    assert json.loads(row["extra"]) == {
        "object_id": "00000000-0000-0000-0000-0000000000a1",
        "app_id": "00000000-0000-0000-0000-0000000000c1",
        "request": {"adminuserenabled": True},
    }


def test_a_service_principal_is_known_by_its_object_id(write: Write, decode: Decode) -> None:
    claims = {"oid": "00000000-0000-0000-0000-0000000000b2", "appid": "00000000-0000-0000-0000-0000000000c2"}
    row = only(decode(write(identity={"claims": claims})))
    assert (row["identity"], row["identity_kind"]) == ("00000000-0000-0000-0000-0000000000b2", "object_id")


@pytest.mark.parametrize(
    ("said", "signature", "result", "status"),
    [
        ("Success", "Succeeded.OK", "Success", 200),
        ("Succeeded", None, "Success", None),
        ("Accept", "Accepted.Created", "Accept", 201),
        ("Failure", "Failed.Forbidden", "Failure", 403),
    ],
)
def test_results_have_one_spelling_and_their_status(
    write: Write, decode: Decode, said: str, signature: str | None, result: str, status: int | None
) -> None:
    row = only(decode(write(result=said, resultSignature=signature)))
    assert (row["result_type"], row["status_code"], row["succeeded"]) == (result, status, result == "Success")


@pytest.mark.parametrize(
    ("operation", "below", "known"),
    [
        ("Microsoft.ContainerRegistry/registries/tokens/write", "/tokens/ci", "registries/tokens/write"),
        (
            "MICROSOFT.INSIGHTS/DIAGNOSTICSETTINGS/DELETE",
            "/providers/microsoft.insights/diagnosticSettings/audit",
            "diagnosticsettings/delete",
        ),
        (
            "Microsoft.Authorization/roleAssignments/write",
            "/providers/Microsoft.Authorization/roleAssignments/1",
            "roleassignments/write",
        ),
        ("Microsoft.Authorization/locks/delete", "/providers/Microsoft.Authorization/locks/keep", "locks/delete"),
    ],
)
def test_what_lies_below_a_registry_belongs_to_it(
    write: Write, decode: Decode, operation: str, below: str, known: str
) -> None:
    row = only(decode(write(operation, resourceId=write()["resourceId"] + below)))
    assert (row["registry"], row["operation"]) == ("contoso", known)


def test_records_about_anything_else_are_counted_by_provider_and_left_out(write: Write, decode: Decode) -> None:
    machine = "/SUBSCRIPTIONS/S/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/VM"
    found = decode(
        write("MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", resourceId=machine),
        write("Microsoft.Authorization/roleAssignments/write", resourceId="/subscriptions/s"),
        write(category="Policy"),
    )
    assert found.events.num_rows == 0
    assert found.rejects == ()
    assert found.skipped == {
        "activity:microsoft.compute": 1,
        "activity:microsoft.authorization": 1,
        "category:Policy": 1,
    }


def test_a_row_of_azure_activity_is_read_alike(decode: Decode, write: Write) -> None:
    row = {
        "Type": "AzureActivity",
        "TimeGenerated": "2026-11-22T10:00:00.1234567Z",
        "CategoryValue": "Administrative",
        "OperationNameValue": "MICROSOFT.CONTAINERREGISTRY/REGISTRIES/WRITE",
        "ActivityStatusValue": "Start",
        "Caller": "alice@example.com",
        "CallerIpAddress": "203.0.113.9",
        "CorrelationId": "00000000-0000-0000-0000-00000000c0de",
        "_ResourceId": write()["resourceId"].lower(),
        "Properties": json.dumps({"requestbody": json.dumps({"properties": {"adminUserEnabled": True}})}),
    }
    read, sent = only(decode(row)), only(decode(write(requestbody={"properties": {"adminUserEnabled": True}})))
    assert (read["event_id"], read["identity"], read["operation"]) == (
        sent["event_id"],
        sent["identity"],
        sent["operation"],
    )
    assert json.loads(read["extra"])["request"] == {"adminuserenabled": True}


def test_a_listing_of_the_command_line_is_read_alike(decode: Decode, write: Write) -> None:
    listed = {
        "eventTimestamp": "2026-11-22T10:00:00.1234567Z",
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "operationName": {"value": "Microsoft.ContainerRegistry/registries/write", "localizedValue": "Write"},
        "status": {"value": "Started"},
        "caller": "alice@example.com",
        "claims": {"appid": "00000000-0000-0000-0000-0000000000c1"},
        "httpRequest": {"clientIpAddress": "203.0.113.9", "method": "PATCH"},
        "correlationId": "00000000-0000-0000-0000-00000000c0de",
        "resourceId": write()["resourceId"].lower(),
        "properties": {"requestbody": '{"properties":{"adminUserEnabled":true}}'},
    }
    row = only(decode(listed))
    assert (row["result_type"], row["caller_ip"]) == ("Start", "203.0.113.9")


@pytest.mark.parametrize("member", ["time", "resourceId"])
def test_a_record_that_lacks_what_it_needs_is_rejected_alone(write: Write, decode: Decode, member: str) -> None:
    found = decode(write(**{member: None}), write())
    assert [reject.reason for reject in found.rejects] == ["missing_member"]
    assert found.events.num_rows == 1


def test_a_body_too_long_for_a_row_is_left_out_the_answer_first(write: Write, decode: Decode) -> None:
    long = {"properties": {f"member{n}": "x" * 1_000 for n in range(60)}}
    row = only(decode(write(requestbody={"properties": {"adminUserEnabled": True}}, responseBody=long)))
    assert json.loads(row["extra"])["response"]["member0"] == "x" * 1_000
    both = only(decode(write(requestbody=long, responseBody=long)))
    assert {"request"} == json.loads(both["extra"]).keys() & {"request", "response"}


def test_records_of_both_kinds_in_one_message_keep_their_message_and_place(write: Write, decode: Decode) -> None:
    login = {
        "time": "2026-11-22T10:00:00.0000000Z",
        "category": "ContainerRegistryLoginEvents",
        "operationName": "Login",
        "resourceId": write()["resourceId"],
        "identity": "alice@example.com",
        "resultDescription": "200",
    }
    rows = decode(login, write(), login | {"identity": "bob@example.com"}).events
    assert sorted(rows.column("category").to_pylist()) == ["Administrative", *["ContainerRegistryLoginEvents"] * 2]
    assert set(rows.column("sequence_number").to_pylist()) == {7}
