"""The spine of Gevinst, told by a stranger: plain grpcio, and messages made from what the server's reflection says.

Nothing here knows the .proto files. What the service computes is computed again with Python's own decimal, json and
hashlib: the progress, the canonical form of the decision basis and its hash.

Reads GEVINST_ADDRESS, GEVINST_ORGANISATION and one token for each person (GEVINST_SUBMITTER, who is of the portfolio
office and of the steering group; GEVINST_DECIDER, of the steering group; GEVINST_OWNER, a benefit owner called
"benefit-owner"). Prints a line for each step; the first mismatch ends it.
"""

import hashlib
import json
import os
from decimal import ROUND_HALF_UP, Decimal

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

ORGANISATION = os.environ["GEVINST_ORGANISATION"]
SUBMITTER, DECIDER, OWNER = (os.environ[f"GEVINST_{name}"] for name in ("SUBMITTER", "DECIDER", "OWNER"))

channel = grpc.insecure_channel(os.environ["GEVINST_ADDRESS"])
reflection = ProtoReflectionDescriptorDatabase(channel)
pool = DescriptorPool(reflection)


def expect(what, actual, wanted):
    if actual != wanted:
        raise SystemExit(f"{what}: {actual!r} where {wanted!r} was expected")


def call(token, service, method, **request):
    """Calls a method that reflection describes; requests and answers are ProtoJSON here."""
    descriptor = pool.FindServiceByName(f"gevinst.v1.{service}").FindMethodByName(method)
    message = message_factory.GetMessageClass(descriptor.input_type)()
    json_format.ParseDict({"organisation": ORGANISATION, **request}, message)
    stub = channel.unary_unary(
        f"/gevinst.v1.{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(descriptor.output_type).FromString,
    )
    answer = stub(message, metadata=[("authorization", f"Bearer {token}")], timeout=10)
    return json_format.MessageToDict(answer, preserving_proto_field_name=True)


def refused(token, service, method, **request):
    """Calls what must be refused; gives the code and the reason."""
    try:
        answer = call(token, service, method, **request)
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        info = error_details_pb2.ErrorInfo()
        for detail in status_pb2.Status.FromString(details).details:
            if detail.Is(info.DESCRIPTOR):
                detail.Unpack(info)
        return error.code(), info.reason
    raise SystemExit(f"{method} was to be refused, and answered {answer}")


def check_basis(basis):
    """Whoever has the text can tell that it is canonical and that the hash is its own."""
    text = basis["canonical_json"]
    facts = json.loads(text)
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expect("canonical form", text, canonical)
    expect("hash", basis["sha256"], hashlib.sha256(text.encode()).hexdigest())
    return facts


def check_progress(number, kind, baseline, target, actual):
    """A benefit, its measurement, and the progress worked out again from the three figures."""
    request = {
        "project": project["id"],
        "title": f"Gevinst {number}",
        "kind": f"BENEFIT_KIND_{kind}",
        "measure": {"name": "Sagstid", "unit": "dage"},
        "baseline": baseline,
        "target": target,
        "owner": "benefit-owner",
    }
    if kind == "ECONOMIC":
        request["planned_annual_value"] = {"ore": "125000000", "price_level_year": 2026}
    benefit = call(SUBMITTER, "BenefitService", "CreateBenefit", **request)["benefit"]
    before = call(OWNER, "BenefitService", "GetBenefitProgress", benefit=benefit["id"])["progress"]
    expect("absence", before["absence"], "PROGRESS_ABSENCE_NOT_MEASURED")
    expect("figure before anything is measured", before.get("value"), None)
    # Who is named as owner sees the benefit, and acts as its owner once they have accepted it (I11).
    measured = {"benefit": benefit["id"], "value": actual, "measured_on": "2026-01-31", "source": "Sagssystemet"}
    named = refused(OWNER, "BenefitService", "RecordMeasurement", **measured)
    expect("measurement by who is merely named", named, (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING"))
    call(SUBMITTER, "BenefitService", "RecordMeasurement", **measured)
    progress = call(OWNER, "BenefitService", "GetBenefitProgress", benefit=benefit["id"])["progress"]

    covered, planned = Decimal(actual) - Decimal(baseline), Decimal(target) - Decimal(baseline)
    # decimal's ROUND_HALF_UP rounds a tie away from zero, below zero too.
    unbounded = (covered / planned).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    value = unbounded
    if kind == "QUALITATIVE":
        value = min(max(value, Decimal("0.0000")), Decimal("1.2000"))
    expect("progress", progress["value"], str(value))
    expect("unbounded progress", progress["unbounded_value"], str(unbounded))
    expect("distance covered", Decimal(progress["distance_covered"]), covered)
    expect("distance planned", Decimal(progress["distance_planned"]), planned)
    expect("measurement used", Decimal(progress["actual"]["value"]), Decimal(actual))
    print(f"progress {kind.lower()} {baseline} -> {target}, now {actual}: {value}")
    return benefit


services = sorted(reflection.get_services())
expect("services of the contract", [name for name in services if name.startswith("gevinst.v1.")], [
    f"gevinst.v1.{name}Service" for name in (
        "Access", "Audit", "BenefitMap", "BenefitReport", "Benefit", "Condition", "Dossier", "Funding", "Gate", "Lesson",
        "Organisation", "Plan", "Project", "Realisation", "Strategy"
    )
])
print(f"reflection: {len(services)} services")

unit = call(SUBMITTER, "OrganisationService", "CreateOrgUnit", name="Ældre og Sundhed", is_operational_area=True)
# What JSON writes in more than one way: letters, quotes, lines, and a sign beyond 16 bits.
title = 'Sensorgulve på "Åhaven" \\ 🌱'
project = call(
    SUBMITTER,
    "ProjectService",
    "RegisterProject",
    title=title,
    vision="Færre fald.\nRo om natten.",
    org_unit=unit["org_unit"]["id"],
    project_owner="project-owner",
    project_manager="manager",
    project_class="PROJECT_CLASS_WELFARE_TECH",
)["project"]
expect("stage", project["stage"], "STAGE_IDEA")
print(f"registered {project['number']}")

review = call(SUBMITTER, "GateService", "SubmitGateReview", project=project["id"], gate="GATE_CODE_G1")["gate_review"]
facts = check_basis(review["decision_basis"])
expect("title in the basis", facts["dossier"]["project"]["title"], title)
print(f"submitted to G1, basis {review['decision_basis']['sha256']}")

decision = {
    "project": project["id"],
    "gate_review": review["id"],
    "outcome": "GATE_OUTCOME_GO",
    "reason": "Godt begrundet.",
}
refusal = refused(SUBMITTER, "GateService", "DecideGateReview", **decision)
expect("refusal", refusal, (grpc.StatusCode.PERMISSION_DENIED, "DECIDER_IS_SUBMITTER"))
print(f"decision by the submitter refused: {refusal[0].name} {refusal[1]}")

decided = call(DECIDER, "GateService", "DecideGateReview", **decision)
expect("stage", decided["project"]["stage"], "STAGE_ANALYSIS")
expect("basis decided upon", decided["gate_review"]["decision_basis"], review["decision_basis"])
print(f"decided GO by {decided['gate_review']['decider']}: {decided['project']['stage']}")

benefits = [
    check_progress(number, *case)
    for number, case in enumerate([
        ("QUALITATIVE", "46", "35.50", "41"),
        ("QUALITATIVE", "10", "20", "35"),
        ("QUALITATIVE", "10", "20", "7"),
        # Two ties, either side of zero: half to even would give 0.0000 for both.
        ("ECONOMIC", "0", "8", "0.0004"),
        ("ECONOMIC", "0", "-8", "0.0004"),
    ])
]

second = call(SUBMITTER, "GateService", "SubmitGateReview", project=project["id"], gate="GATE_CODE_G2")["gate_review"]
facts = check_basis(second["decision_basis"])
known = [known["benefit"]["id"] for known in facts["dossier"]["benefits"]]
expect("benefits in the basis", known, [benefit["id"] for benefit in benefits])
decisions = [known["decision_basis"]["sha256"] for known in facts["dossier"]["decisions"]]
expect("earlier basis", decisions, [review["decision_basis"]["sha256"]])
print(f"submitted to G2, basis {second['decision_basis']['sha256']}")
