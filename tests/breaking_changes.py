"""Says in sentences what a change of the OpenAPI document breaks for clients of the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]
_BOUNDS = {"minimum": 1, "exclusiveMinimum": 1, "minLength": 1, "minItems": 1,
           "maximum": -1, "exclusiveMaximum": -1, "maxLength": -1, "maxItems": -1}  # fmt: skip


def find_breaks(before: Schema, after: Schema) -> list[str]:
    """Each thing that a client of the document before would miss, or that it does not send; additions are none."""
    return list(dict.fromkeys(_document_breaks(before, after)))


def _document_breaks(before: Schema, after: Schema) -> Iterator[str]:
    for path, methods in before["paths"].items():
        if path not in after["paths"]:
            yield f"the path {path} is gone"
            continue
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            if method not in after["paths"][path]:
                yield f"{name} is gone"
            else:
                yield from _operation_breaks(_Comparison(before, after, name), operation, after["paths"][path][method])


def _operation_breaks(on: _Comparison, before: Schema, after: Schema) -> Iterator[str]:
    if before["operationId"] != after["operationId"]:
        yield f"{on.name} was named {before['operationId']} and is now {after['operationId']}"
    yield from _parameter_breaks(on, before, after)
    yield from _body_breaks(on, before.get("requestBody"), after.get("requestBody"))
    for status, answer in before["responses"].items():
        if status < "400":
            yield from _answer_breaks(on, status, answer, after["responses"].get(status))


def _parameter_breaks(on: _Comparison, before: Schema, after: Schema) -> Iterator[str]:
    olds, news = (
        {(each["in"], each["name"]): each for each in operation.get("parameters", ())} for operation in (before, after)
    )
    for (place, name), old in olds.items():
        if (place, name) not in news:
            yield f"{on.name} no longer takes the {place} parameter {name}"
        else:
            yield from on.request(old["schema"], news[place, name]["schema"], f"the {place} parameter {name}")
    for (place, name), new in news.items():
        if new.get("required") and not olds.get((place, name), {}).get("required"):
            yield f"{on.name} now needs the {place} parameter {name}"


def _body_breaks(on: _Comparison, before: Schema | None, after: Schema | None) -> Iterator[str]:
    if after is not None and after.get("required") and not (before or {}).get("required"):
        yield f"{on.name} now needs a body"
    if before is None:
        return
    for media_type, content in before["content"].items():
        new = (after or {"content": {}})["content"].get(media_type)
        if new is None:
            yield f"{on.name} no longer takes a body of {media_type}"
        else:
            yield from on.request(content["schema"], new["schema"], "the body")


def _answer_breaks(on: _Comparison, status: str, before: Schema, after: Schema | None) -> Iterator[str]:
    if after is None:
        yield f"{on.name} no longer answers {status}"
        return
    for header in before.get("headers", {}):
        if header not in after.get("headers", {}):
            yield f"{on.name} no longer sends the header {header} with {status}"
    for media_type, content in before.get("content", {}).items():
        new = after.get("content", {}).get(media_type)
        if new is None:
            yield f"{on.name} no longer answers {status} with {media_type}"
        elif "schema" in content and "schema" in new:
            yield from on.answer(content["schema"], new["schema"], f"the answer {status}")


@dataclass
class _Comparison:
    """Compares schemas of two documents, of what one operation takes and of what it answers."""

    before: Schema
    after: Schema
    name: str
    seen: set[tuple[str, str, bool]] = field(default_factory=set)

    def request(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        """What was taken there and is not any more."""
        return self._compare(old, new, where, sent=True)

    def answer(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        """What a client reads there that may be otherwise now."""
        return self._compare(old, new, where, sent=False)

    def _compare(self, old: Schema, new: Schema, where: str, *, sent: bool) -> Iterator[str]:
        names = (old.get("$ref", ""), new.get("$ref", ""), sent)
        if all(names[:2]):
            if names in self.seen:
                return
            self.seen.add(names)
        olds, news = _choices(self.before, old), _choices(self.after, new)
        for kind in olds.keys() - news.keys() if sent else news.keys() - olds.keys():
            if kind != "integer" or "number" not in (news if sent else olds):
                says = "can no longer be" if sent else "may now be"
                yield f"{self.name}: {where} {says} {kind}"
        for kind in sorted(olds.keys() & news.keys()):
            yield from self._compare_one(olds[kind], news[kind], where, sent=sent)

    def _compare_one(self, old: Schema, new: Schema, where: str, *, sent: bool) -> Iterator[str]:
        if sent and "enum" in new:
            lost = [str(value) for value in old.get("enum", ["any other value"]) if value not in new["enum"]]
            if lost:
                yield f"{self.name}: {where} can no longer be {', '.join(lost)}"
        if sent:
            yield from self._narrowed(old, new, where)
        if "items" in old and "items" in new:
            yield from self._compare(old["items"], new["items"], f"an item of {where}", sent=sent)
        fields = new.get("properties", {})
        for name, schema in old.get("properties", {}).items():
            if name in fields:
                yield from self._compare(schema, fields[name], f"{name} of {where}", sent=sent)
            elif not sent:
                yield f"{self.name}: {where} no longer has the field {name}"
            elif new.get("additionalProperties") is False:
                yield f"{self.name}: {where} no longer takes the field {name}"
        was, now = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(now - was if sent else (was - now) & fields.keys()):
            says = "now needs" if sent else "may now leave out"
            yield f"{self.name}: {where} {says} the field {name}"

    def _narrowed(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        for bound, sign in _BOUNDS.items():
            if bound in new and (bound not in old or sign * new[bound] > sign * old[bound]):
                yield f"{self.name}: {where} is now bounded by {bound} {new[bound]}"
        if new.get("pattern") not in {None, old.get("pattern")}:
            yield f"{self.name}: {where} must now match {new['pattern']}"


def _choices(document: Schema, schema: Schema) -> dict[str, Schema]:
    """The kinds of a value that a schema allows, each with its schema: types, or the tags of a union's members."""
    if "$ref" in schema:
        named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return _choices(document, named)
    members = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if members:
        return {kind: one for member in members for kind, one in _choices(document, member).items()}
    tags = [part["const"] for part in schema.get("properties", {}).values() if "const" in part]
    kinds = schema.get("type", "anything")
    kinds = [f"{schema.get('type')} {tags[0]}"] if tags else [kinds] if isinstance(kinds, str) else kinds
    return dict.fromkeys(kinds, schema)
