from __future__ import annotations

import pytest

from proxy.simulator.shapes import sample
from proxy.simulator.text import pieces, prose, source


def make(schema):
    return [sample(schema, source(seed)) for seed in range(50)]


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        ({"type": "string"}, lambda v: isinstance(v, str) and v),
        ({"type": "string", "minLength": 40, "maxLength": 44}, lambda v: 40 <= len(v) <= 44),
        ({"type": "string", "format": "date"}, lambda v: v == "2025-03-01"),
        ({"type": "integer", "minimum": 3, "maximum": 5}, lambda v: v in (3, 4, 5)),
        ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}, lambda v: v == 4),
        ({"type": "integer", "minimum": 1, "maximum": 30, "multipleOf": 7}, lambda v: v in (7, 14, 21, 28)),
        ({"type": "integer", "maximum": -5}, lambda v: v == -5),
        ({"type": "number", "minimum": 0, "maximum": 1}, lambda v: 0 <= v <= 1),
        ({"type": "number", "minimum": 0.2, "maximum": 0.3}, lambda v: 0.2 <= v <= 0.3),
        ({"type": "boolean"}, lambda v: v in (True, False)),
        ({"type": "null"}, lambda v: v is None),
        ({"type": ["null", "integer"]}, lambda v: isinstance(v, int)),
        ({"enum": ["a", "b"]}, lambda v: v in ("a", "b")),
        ({"const": 7}, lambda v: v == 7),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, lambda v: isinstance(v, int)),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}, lambda v: 2 <= len(v) <= 3),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, lambda v: v == []),
        ({"prefixItems": [{"type": "integer"}, {"type": "string"}]}, lambda v: [int, str] == list(map(type, v))),
        ({"properties": {"a": {"const": 1}}}, lambda v: v == {"a": 1}),
        (
            {"allOf": [{"$ref": "#/$defs/x"}, {"properties": {"b": {"const": 2}}}],
             "$defs": {"x": {"properties": {"a": {"const": 1}}}}},
            lambda v: v == {"a": 1, "b": 2},
        ),
        ({"$ref": "#/$defs/x~1y", "$defs": {"x/y": {"const": 1}}}, lambda v: v == 1),
        ({"$ref": "#/$defs/nowhere"}, lambda v: v is None),
        (True, lambda v: v is None),
    ],
)  # fmt: skip
def test_a_sample_fits_its_schema(schema, fits):
    assert all(fits(value) for value in make(schema))


def test_a_schema_that_contains_itself_comes_to_an_end():
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "label": {"type": "string"}}}
    value = sample(node, source(1))
    depth = 0
    while value:
        value, depth = value["next"], depth + 1
    assert 1 < depth < 12


def test_the_pieces_of_a_text_are_the_text():
    text = prose(source("seed"), 80)
    assert text == "".join(pieces(text))
    assert len(text.split()) == len(pieces(text))
    assert text.endswith(".")
