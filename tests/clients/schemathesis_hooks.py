"""What the OpenAPI document says in words, and a schema cannot, for schemathesis."""

import collections
import json
import os
import re

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

# Refused for what the request says in a language of its own, or for what it would do: no schema knows either.
BEYOND_SCHEMA = {
    "FILTER_INVALID",
    "ORDER_INVALID",
    "PAGE_TOKEN_INVALID",
    "PERSONAL_NUMBER_REFUSED",
    "ETAG_STALE",
    "BENEFIT_MAP_CYCLE",
}

# Fields that depend on another, or on the day: changes on their mask, the planned value on the benefit's kind, and what
# is measured has been. A unit's days, which have an order, and where it is moved, which is not where it is. A file. A gate
# model and a benefit map, which are checked as a whole; a criterion, which the model names, and its evidence; conditions
# and reasons to hold, which belong to their outcomes; days, which the calendar has. And a 64-bit integer, which is text: no
# keyword bounds what it says. A policy's figures, which agree with each other, and the steps of a budget.
DEPENDENT = re.compile(
    r"changes|changes\..+|planned_annual_value(\.ore)?|measured_on|valid_from|valid_until|parent|content(\[.+)?"
    r"|baseline|target|targets(\[.+)?|measure\..+|cashability|groups\[.+|start\..+|baseline_evidence\..+|price_level_year|value"
    r"|definition\..+|nodes(\[.+)?|edges(\[.+)?|criterion|evidence|hold_reasons|conditions(\[.+)?|\w+_on|(amount|budget)_ore|days"
    r"|review_months|missing_days|red_below|realised_from|partly_from|reference|number|step"
)

PATIENCE = re.compile(r"[0-9]{1,5}([.][0-9]{1,3})?(s|ms)?")

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _sound(value, names):
    """The value with no control character in its texts, and with fields of these names alone."""
    if isinstance(value, str):
        return CONTROL.sub("", value) or "tekst"
    if isinstance(value, list):
        return [_sound(item, names) for item in value]
    if isinstance(value, dict):
        return {name: _sound(item, names) for name, item in value.items() if name in names}
    return value


# A good request for each operation, on an object in the state that it needs.
SAMPLES = json.loads(os.environ["GEVINST_SAMPLES"])
# What the samples name. Schemathesis learns ids from lists, in an order that differs between runs: an object that one
# operation needs in a state, another must not change first.
_reserved = {value for sample in SAMPLES.values() for value in sample.values() if isinstance(value, str)}
_called = collections.Counter()

# The etags that answers told, by the id of what they are the state of.
_etags = {}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes what is valid by the schema valid by the words around it, and every other call one of a sample's object."""
    if re.fullmatch(PATIENCE, (case.headers or {}).get("X-Request-Timeout", "")):
        # Who waits no time gets the 504 that they ask for.
        case.headers["X-Request-Timeout"] = "20"
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    operation = case.operation.definition.raw["operationId"]
    sample = SAMPLES[operation]
    _called[operation] += 1
    for name in case.path_parameters or {}:
        if name == "organisation" or _called[operation] % 2 or case.path_parameters[name] in _reserved:
            case.path_parameters[name] = sample[re.sub("_(.)", lambda found: found[1].upper(), name)]
    case.query = {name: _sound(value, {}) for name, value in (case.query or {}).items()}
    if isinstance(case.body, dict) and _called[operation] in (1, 3, 5, 7):
        # The first are the sample itself: what follows may find it changed.
        of_path = {re.sub("_(.)", lambda found: found[1].upper(), name) for name in case.path_parameters or {}}
        case.body = {name: value for name, value in sample.items() if name not in of_path}
    body = case.body if isinstance(case.body, dict) else None
    if "etag" in sample:
        # In the body or in If-Match, for which schemathesis draws values of its own, whatever the pattern.
        etag = _etags.get(case.path_parameters[re.findall("{(.*?)}", case.path)[-1]], sample["etag"])
        if body is None or "If-Match" in case.headers:
            case.headers["If-Match"] = f'"{etag}"'
            (body or {}).pop("etag", None)
        else:
            body["etag"] = etag
    if body is None:
        return
    schemas = case.operation.schema.raw_schema["components"]["schemas"].values()
    case.body = _sound(body, {name for schema in schemas for name in schema.get("properties", {})})
    # Units have names of their own: an example's is taken from its second use.
    for unit in (case.body, case.body.get("changes", {})):
        if unit.get("name") == "Borgerservice":
            unit["name"] += f" {operation} {_called[operation]}"
    if "updateMask" in case.body:
        case.body["updateMask"] = ",".join(case.body["changes"])
    known = {"orgUnit", "parent", "content", "format", "portfolio", "roleGrant", "scope", "definition", "criterion"}
    for name in known & case.body.keys() & sample.keys():
        case.body[name] = sample[name]


@schemathesis.hook
def after_call(context, case, response):
    """Learns etags."""
    # A page to read is no resource.
    if response.status_code in (200, 201) and "text/html" not in str(response.headers.get("content-type")):
        for resource in response.json().values():
            # A benefit map goes by its project, which has an etag of its own.
            if isinstance(resource, dict) and {"id", "etag"} <= resource.keys():
                _etags[resource["id"]] = resource["etag"]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps every failure but "valid data should have been accepted" where the reason is none of the schema's."""
    if isinstance(failure, AcceptedNegativeData):
        # ProtoJSON knows the values of enums by number too, which the document leaves out.
        enums = ("riskClass", "language", "groupBy", "reference", "format")
        return not any(str((case.query or {}).get(name, "")).isdigit() for name in enums)
    if not isinstance(failure, RejectedPositiveData):
        return True
    error = response.json()
    details = {detail["@type"].rsplit(".", 1)[-1]: detail for detail in error["details"]}
    reason = details["ErrorInfo"]["reason"]
    fields = [violation["field"] for violation in details.get("BadRequest", {}).get("fieldViolations", [])]
    if reason == "FIELD_INVALID":
        return not all(DEPENDENT.fullmatch(field) for field in fields)
    return error["status"] != "FAILED_PRECONDITION" and reason not in BEYOND_SCHEMA
