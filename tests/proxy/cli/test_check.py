"""`pointsman check` as an operator uses it: a file in, every problem or none out."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import orjson
import pytest
import yaml

README = Path(__file__).parents[3] / "README.md"
GOOD = """
providers: {engine: {base_url: "http://127.0.0.1:9/v1"}}
routes: {chat: {policy: cost, deployments: [{provider: engine}]}}
"""
BAD = """
listen: 127.0.0.1:99999
timeouts: {conect_s: 5}
providers:
  openai: {api_key: "${CHECK_KEYY}"}
routes:
  chat: {deployments: [{provider: openai, weight: -1}]}
  empty: {deployments: []}
"""
MISLED = """
providers:
  engine: {base_url: "http://127.0.0.1:9/v1"}
  opnai: {}
routes:
  chat: {policy: latncy, deployments: [{provider: engin}]}
  quick: {policy: {name: latency, tua_s: 3}, deployments: [{provider: engine}, {provider: engine}]}
oneinfer: {endpoints: {one: chta}}
"""


def readme_example() -> str:
    examples = re.findall(r"```yaml\n(listen:.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert 1 == len(examples)
    return str(examples[0])


def test_a_good_file_is_fine(pointsman, config):
    told = pointsman("check", config(GOOD))
    assert (0, "") == (told.code, told.err)
    assert re.search(r"pointsman\.yaml` is fine: 1 models? at 1 providers?, no key needed", told.out)


def test_the_file_may_be_named_as_for_serve(pointsman, config):
    assert 0 == pointsman("check", "--config", config(GOOD)).code


def test_every_problem_of_a_files_form_is_told_at_once(pointsman, config, monkeypatch):
    monkeypatch.setenv("CHECK_KEY", "sk-secret")
    told = pointsman("check", config(BAD))
    assert (1, "") == (told.code, told.out)
    for line in (
        "5 problems in the configuration:",
        "  `listen`: must be HOST:PORT, such as `127.0.0.1:8080` or `[::1]:8080`",
        "  `timeouts.conect_s`: there is no such setting (did you mean `connect_s`?)",
        "  `providers.openai.api_key`: the environment variable `CHECK_KEYY` is not set (did you mean `CHECK_KEY`?)",
        "  `routes.chat.deployments[0].weight`: input should be greater than 0",
        "  `routes.empty.deployments`: a route needs at least one deployment",
    ):
        assert line in told.err.splitlines()
    assert "sk-secret" not in told.err


def test_every_problem_of_what_a_file_means_is_told_at_once(pointsman, config):
    told = pointsman("check", config(MISLED))
    assert 1 == told.code
    for words in (
        "6 problems in the configuration:",
        "`providers.opnai`: no such row in the provider table; did you mean `openai`?",
        "`routes.chat.deployments[0].provider`: there is no provider `engin` (did you mean `engine`?)",
        "`routes.chat.policy.name`: there is no policy `latncy`; did you mean `latency`?",
        "`routes.quick.policy`: policy `latency` has no option `tua_s`; it takes `tau_s`, `explore`, `seed`",
        "`routes.quick.deployments`: one deployment is listed twice",
        "`oneinfer.endpoints.one`: there is no route `chta` (did you mean `chat`?)",
    ):
        assert words in told.err


def test_a_missing_file_is_told(pointsman, tmp_path):
    told = pointsman("check", tmp_path / "nowhere.yaml")
    assert 1 == told.code
    assert f"there is no file `{tmp_path}/nowhere.yaml`" in told.err


def test_without_a_file_it_says_what_it_needs(pointsman):
    told = pointsman("check")
    assert 2 == told.code
    assert "name the file to check, or ask for `--schema`" in told.err


def test_the_readmes_example_is_a_good_file(pointsman, config, monkeypatch):
    for variable in re.findall(r"\$\{(\w+)\}", readme_example()):
        monkeypatch.setenv(variable, "sk-invented")
    told = pointsman("check", config(readme_example()))
    assert (0, "") == (told.code, told.err)


@pytest.mark.parametrize("text", [GOOD, readme_example()], ids=["short", "readme"])
def test_the_schema_accepts_good_files(pointsman, text):
    schema = orjson.loads(pointsman("check", "--schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(text), schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"lisen": "127.0.0.1:1"}, []),
        ({"timeouts": {"connect_s": 0}}, ["timeouts", "connect_s"]),
        ({"routes": {"x": {}}}, ["routes", "x"]),
        ({"routes": {"x": {"deployments": [{"provider": "p", "tier": "fast"}]}}}, ["routes", "x", "deployments", 0]),
    ],
)
def test_the_schema_marks_what_check_refuses(pointsman, document, place):
    schema = orjson.loads(pointsman("check", "--schema").out)
    problems = list(jsonschema.Draft202012Validator(schema).iter_errors(document))
    assert place == list(problems[0].absolute_path)[: len(place)]


def test_problems_of_form_and_of_sense_are_told_together(pointsman, config):
    """Those that show only without the wrong parts too; none that is a mere consequence of taking them out."""
    told = pointsman(
        "check",
        config("""
listen: 0.0.0.0:80
providers: {engine: {profile: vllm, base_url: "http://127.0.0.1:9/v1", nickname: x}}
routes:
  m: {policy: {name: latency, tua_s: 3}, deployments: [{provider: engin}]}
  n: {policy: latencyy, deployments: [{provider: engine, wieght: 2}, {model: x}]}
limits: {max_body: 3}
"""),
    )
    assert 1 == told.code
    assert "8 problems in the configuration:" in told.err
    for place in (
        "`listen`",
        "`providers.engine.nickname`",
        "`routes.m.deployments[0].provider`",
        "`routes.m.policy`",
        "`routes.n.policy.name`",
        "`routes.n.deployments[0].wieght`",
        "`routes.n.deployments[1].provider`",
        "`limits.max_body`",
    ):
        assert place in told.err
