"""Reads openapi.json and openapi.yaml of a folder: they say the same, and every example keeps its schema's rules.

Prints how many examples there are. Ends with 1 after telling what is wrong.
"""

import json
import pathlib
import sys

import jsonschema
import referencing
import referencing.jsonschema
import yaml

folder = pathlib.Path(sys.argv[1])
document = json.loads((folder / "openapi.json").read_text())
wrong = []
if yaml.safe_load((folder / "openapi.yaml").read_text()) != document:
    wrong.append("openapi.yaml says something else than openapi.json")

resource = referencing.Resource(document, referencing.jsonschema.DRAFT202012)
registry = referencing.Registry().with_resource("urn:openapi", resource)


def absolute(schema):
    """The schema with its references into the document."""
    if isinstance(schema, dict):
        return {
            key: f"urn:openapi{value}" if key == "$ref" else absolute(value) for key, value in schema.items()
        }
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema


def examples(node, place):
    """Every example below a node, with its schema and its place."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from examples(item, f"{place}/{index}")
    elif isinstance(node, dict):
        # Of a parameter or a media type, and a schema's own.
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"], place
        if isinstance(node.get("examples"), list):
            yield from ((node, example, place) for example in node["examples"])
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from examples(value, f"{place}/{key}")


count = 0
for schema, example, place in examples(document, ""):
    count += 1
    validator = jsonschema.Draft202012Validator(
        absolute(schema), registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    wrong += [f"{place}: {error.message}" for error in validator.iter_errors(example)]

print(count)
sys.exit("\n".join(wrong) or 0)
