"""What a document must be to be OpenAPI 3.1 (spec.openapis.org/oas/v3.1.0), and what its schemas say of an answer.

The meta-schema is as strict as the specification for what our documents have, and refuses what they do not:
who adds a part adds it here.
"""

import jsonschema

VALIDATOR = jsonschema.Draft202012Validator

_TEXT = {"type": "string", "minLength": 1}
_REFERENCE = {"type": "object", "required": ["$ref"], "additionalProperties": False, "properties": {
    "$ref": {"type": "string", "pattern": "^#/components/(schemas|responses)/[a-zA-Z0-9._-]+$"}}}


def _object(required_members, /, **properties):
    return {"type": "object", "required": required_members, "additionalProperties": False, "properties": properties}


_CONTENT = {"type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[a-z]+/[a-z0-9.+-]+(; [a-z]+=[a-z0-9-]+)?$"},
            "additionalProperties": _object(["schema"], schema={"type": "object"}, example={})}
_RESPONSE = _object(["description"], description=_TEXT, content=_CONTENT)
_PARAMETER = {
    **_object(["name", "in", "required", "schema"], **{
        "name": _TEXT, "in": {"enum": ["path", "query", "header"]}, "required": {"type": "boolean"}, "description": _TEXT,
        "schema": {"type": "object"}, "example": {}}),
    "if": {"properties": {"in": {"const": "path"}}}, "then": {"properties": {"required": {"const": True}}}}
_OPERATION = _object(
    ["operationId", "tags", "summary", "parameters", "responses"],
    operationId={"type": "string", "pattern": "^[a-zA-Z0-9_]+$"}, tags={"type": "array", "minItems": 1, "items": _TEXT},
    summary=_TEXT, description=_TEXT, parameters={"type": "array", "items": _PARAMETER},
    requestBody=_object(["content", "required"], content=_CONTENT, required={"type": "boolean"}),
    responses={"type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[2-5][0-9][0-9]$"},
               "additionalProperties": {"anyOf": [_REFERENCE, _RESPONSE]}})
_COMPONENT_NAMES = {"pattern": "^[a-zA-Z0-9._-]+$"}

META_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        ["openapi", "info", "paths", "servers", "tags", "components"],
        openapi={"type": "string", "pattern": r"^3\.1\.\d+$"},
        info=_object(["title", "version", "description"], title=_TEXT, version=_TEXT, description=_TEXT),
        servers={"type": "array", "minItems": 1, "items": _object(["url"], url={"type": "string", "pattern": "^/"})},
        tags={"type": "array", "items": _object(["name"], name=_TEXT, description=_TEXT)},
        paths={"type": "object", "propertyNames": {"pattern": "^/"},
               "additionalProperties": _object([], get=_OPERATION, post=_OPERATION, put=_OPERATION, patch=_OPERATION,
                                               delete=_OPERATION)},
        components=_object(["schemas", "responses"],
                           schemas={"type": "object", "propertyNames": _COMPONENT_NAMES, "additionalProperties": {"type": "object"}},
                           responses={"type": "object", "propertyNames": _COMPONENT_NAMES, "additionalProperties": _RESPONSE}))}


def operations(document):
    """(method, path, operation) of each, in the order of their names."""
    for path, methods in sorted(document["paths"].items()):
        for method, operation in sorted(methods.items()):
            yield method.upper(), path, operation


def resolve(document, part):
    """What a part is, or refers to."""
    while "$ref" in part:
        target = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


def schemas_within(part):
    """All schemas that a part of a document has: its own, and those of its members."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "schema":
                yield value
            elif name not in ("example", "schemas"):
                yield from schemas_within(value)
    elif isinstance(part, list):
        for value in part:
            yield from schemas_within(value)


def references(part):
    """All that is referred to."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            elif name != "example":
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def faults(document, schema, value):
    """What is wrong with a value by a schema of the document, and which members it has that the schema does not name."""
    found = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
             for error in VALIDATOR({"components": document["components"], **schema}).iter_errors(value)]
    return found + list(_undeclared(document, schema, value, ""))


def _parts(document, schema):
    schema = resolve(document, schema)
    yield schema
    for name in ("allOf", "anyOf"):
        for part in schema.get(name, []):
            yield from _parts(document, part)


def _undeclared(document, schema, value, where):
    parts = list(_parts(document, schema))
    if isinstance(value, dict) and any("properties" in part for part in parts):
        for name, member in value.items():
            known = [part["properties"][name] for part in parts if name in part.get("properties", {})]
            others = [part["additionalProperties"] for part in parts if part.get("additionalProperties")]
            if not known and not others:
                yield f"{where}/{name} is not declared"
            for one in known:
                yield from _undeclared(document, one, member, f"{where}/{name}")
    elif isinstance(value, dict):
        for part in parts:
            if isinstance(part.get("additionalProperties"), dict):
                for name, member in value.items():
                    yield from _undeclared(document, part["additionalProperties"], member, f"{where}/{name}")
    elif isinstance(value, list):
        for part in parts:
            for n, item in enumerate(value):
                if "items" in part:
                    yield from _undeclared(document, part["items"], item, f"{where}/{n}")
