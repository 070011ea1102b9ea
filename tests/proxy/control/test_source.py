"""From text to a `Config`, or to everything that is wrong with it. A secret is never quoted back."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from proxy.config import Config
from proxy.control.source import MAX_FILE_BYTES, MAX_SECRET_BYTES, ConfigProblems, closest, load, parse

SECRET = "sk-very-secret-0123456789"
ENVIRON = {"ENGINE_KEY": SECRET, "EMPTY": ""}


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        parse(text, ENVIRON if environ is None else environ)
    found = [str(problem) for problem in caught.value.problems]
    assert "\n".join(found) == str(caught.value)
    assert SECRET not in str(caught.value)
    return found


def test_a_file_becomes_settings(tmp_path):
    path = tmp_path / "pointsman.yaml"
    path.write_text("listen: '[::1]:0'\ntimeouts: {connect_s: 2}\nroutes: {é: {deployments: [{provider: p}]}}")
    config = load(path, {})
    assert ("::1", 0, 2) == (*config.host_port, config.timeouts.connect_s)
    assert ["é"] == list(config.routes)


@pytest.mark.parametrize("text", ["", "# nothing but a comment", "{}"])
def test_an_empty_file_is_all_defaults(text):
    assert Config() == parse(text, {})


def test_overrides_replace_what_the_file_says():
    assert "127.0.0.1:9" == parse("listen: 127.0.0.1:1", {}, {"listen": "127.0.0.1:9"}).listen
    assert ["`listen`: must be HOST:PORT, such as `127.0.0.1:8080` or `[::1]:8080`"] == [
        str(problem) for problem in _overridden_with("nonsense")
    ]


@pytest.mark.parametrize(("written", "read"), [("auto", "auto"), ("1", 1), ("'256'", 256), ("'${CORES}'", 3)])
def test_workers_are_a_number_or_auto(written, read):
    assert read == parse(f"workers: {written}", {"CORES": "3"}).workers


@pytest.mark.parametrize("written", ["0", "257", "true", "1.5", "all", "[1]"])
def test_no_other_number_of_workers_is_taken(written):
    assert ["`workers`: must be `auto` or a number from 1 to 256"] == problems(f"workers: {written}")


def _overridden_with(listen: str) -> tuple[object, ...]:
    with pytest.raises(ConfigProblems) as caught:
        parse("", {}, {"listen": listen})
    return caught.value.problems


@pytest.mark.parametrize("listen", ["x", ":80", "127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:-1", "::1", "h:8o"])
def test_an_address_is_a_host_and_a_port_there_is(listen):
    assert ["`listen`: must be HOST:PORT, such as `127.0.0.1:8080` or `[::1]:8080`"] == problems(f"listen: '{listen}'")


def test_merged_settings_may_be_given_again():
    text = "routes:\n  a: {timeouts: &t {idle_s: 3}, deployments: &d [{provider: p}]}\n"
    text += "  b: {timeouts: {<<: *t, connect_s: 7, idle_s: 4}, deployments: *d}"
    timeouts = parse(text, {}).routes["b"].timeouts
    assert timeouts is not None
    assert (7, 4) == (timeouts.connect_s, timeouts.idle_s)


# --- references ---------------------------------------------------------------------------------------------------


def provider(key: str) -> str:
    return f"providers: {{engine: {{api_key: '{key}'}}}}"


def api_key(config: Config) -> str:
    key = config.providers["engine"].api_key
    assert key is not None
    return key.get_secret_value()


def test_a_variable_is_put_in_wherever_it_is_named():
    assert SECRET == api_key(parse(provider("${ENGINE_KEY}"), ENVIRON))
    environ = {"HOST": "localhost", "PORT": "1", "MOST": "12"}
    config = parse("listen: '${HOST}:${PORT}'\nlimits: {max_inflight: '${MOST}'}", environ)
    assert ("localhost:1", 12) == (config.listen, config.limits.max_inflight)


def test_a_secret_does_not_show_in_the_settings():
    assert SECRET not in repr(parse(provider("${ENGINE_KEY}"), ENVIRON))


def test_a_file_is_put_in_without_the_white_space_around_it(tmp_path):
    (tmp_path / "key").write_text(f"\n {SECRET}\n")
    assert SECRET == api_key(parse(provider(f"${{file:{tmp_path}/key}}"), {}))


def test_what_a_reference_brought_is_not_resolved_again():
    assert "${OTHER}" == api_key(parse(provider("${KEY}"), {"KEY": "${OTHER}", "OTHER": SECRET}))


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("${ENGIN_KEY}", "the environment variable `ENGIN_KEY` is not set (did you mean `ENGINE_KEY`?)"),
        ("${EMPTY}", "the environment variable `EMPTY` is empty"),
        ("${ZZZ}", "the environment variable `ZZZ` is not set (export it before the start)"),
        ("${}", "`${}` is no reference (write `${NAME}` or `${file:/path}`)"),
        ("${2X}", "`${2X}` is no reference (write `${NAME}` or `${file:/path}`)"),
        ("${file:/nowhere/key}", "`/nowhere/key` cannot be read: No such file or directory"),
        ("${file:/}", "`/` cannot be read: Is a directory"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_once(reference, says):
    assert [f"`providers.engine.api_key`: {says}"] == problems(provider(reference))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b" \n", "is empty"),
        (b"\xff\xfe", "cannot be read: not text"),
        (b"x" * (MAX_SECRET_BYTES + 1), f"is larger than {MAX_SECRET_BYTES} bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_told(tmp_path, content, says):
    path = tmp_path / "key"
    path.write_bytes(content)
    assert [f"`providers.engine.api_key`: `{path}` {says}"] == problems(provider(f"${{file:{path}}}"))


def test_a_reference_without_a_value_is_not_also_of_the_wrong_form():
    found = problems("providers: {engine: {base_url: '${URL}', max_connections: '${MANY}'}}")
    assert [
        "`providers.engine.base_url`: the environment variable `URL` is not set (export it before the start)",
        "`providers.engine.max_connections`: the environment variable `MANY` is not set (export it before the start)",
    ] == found


@pytest.mark.parametrize(
    "text",
    [
        "listen: '${ENGINE_KEY}'",
        "timeouts: '${ENGINE_KEY}'",
        "timeouts: {connect_s: '${ENGINE_KEY}'}",
        "telemetry: {naming: '${ENGINE_KEY}'}",
        "providers: {engine: {base_url: '${ENGINE_KEY}', profile: '!${ENGINE_KEY}'}}",
        "auth: {keys: ['${ENGINE_KEY}']}",
        "auth: {keys: [{name: x, key: ['${ENGINE_KEY}']}]}",
        "auth: {mode: none, keys: [{name: x, key: '${ENGINE_KEY}'}]}",
        "catalogue: '${ENGINE_KEY}'",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_quoted(text):
    assert 1 <= len(problems(text)) <= 2


# --- the form -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lisen: x", "`lisen`: there is no such setting (did you mean `listen`?)"),
        ("timeouts: {idle: 3}", "`timeouts.idle`: there is no such setting (did you mean `idle_s`?)"),
        (
            "oxen: {zzz: 3}",
            "`oxen.zzz`: there is no such setting (there are `public_model_list`)",
        ),
        (
            "providers: {engine: {base_ulr: x}}",
            "`providers.engine.base_ulr`: there is no such setting (did you mean `base_url`?)",
        ),
        (
            "providers: {base_url: {base_ulr: x}}",
            "`providers.base_url.base_ulr`: there is no such setting (did you mean `base_url`?)",
        ),
        (
            "auth: {keys: [{name: a, key: b}, {name: c, key: d, rmp: 3}]}",
            "`auth.keys[1].rmp`: there is no such setting (did you mean `rpm`?)",
        ),
        (
            "routes: {m: {deployments: [{provider: p, price: {input_usd: 1}}]}}",
            "`routes.m.deployments[0].price.input_usd`: there is no such setting (did you mean `input_usd_per_mtok`?)",
        ),
        (
            "routes: {gpt-4.1: {retries: {mx: 1}, deployments: [{provider: p}]}}",
            "`routes.'gpt-4.1'.retries.mx`: there is no such setting (did you mean `max`?)",
        ),
        ("routes: {'*': {}}", "`routes.'*'.deployments`: is required"),
        ("routes: {a-b: {deployments: []}}", "`routes.a-b.deployments`: a route needs at least one deployment"),
        ("drain: 3", "`drain`: must be a mapping of settings (there are `delay_s`, `timeout_s`)"),
        ("oxen: 3", "`oxen`: must be a mapping of settings (there are `public_model_list`)"),
        (
            "routes: {policy: {deployments: [{provder: p}]}}",
            "`routes.policy.deployments[0].provder`: there is no such setting (did you mean `provider`?)",
        ),
        ("retries: {max: 11}", "`retries.max`: input should be less than or equal to 10"),
        ("telemetry: {naming: mine}", "`telemetry.naming`: input should be 'native', 'otel' or 'both'"),
        ("auth: {mode: keys}", "`auth`: mode `keys` needs at least one entry in `keys`"),
        ("[1, 2]", "the file must be a mapping of settings (see the README's example)"),
        ("just words", "the file must be a mapping of settings (see the README's example)"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_a_way_out(text, says):
    assert says in problems(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("listen: a\nauth: {}\nlisten: b", "`line 3, column 1`: not valid YAML: `listen` is given twice"),
        ("routes:\n  a: {deployments: []}\n  a: {}", "`line 3, column 3`: not valid YAML: `a` is given twice"),
        ("? [a]\n: b", "`line 1, column 3`: not valid YAML: a key must be a name"),
        ("? {a: b}\n: b", "`line 1, column 3`: not valid YAML: a key must be a name"),
        ("listen: [", "`line 1, column 10`: not valid YAML: expected the node content, but found '<stream end>'"),
        ("a: &a [*a]", "`line 1, column 4`: not valid YAML: found unconstructable recursive node"),
        ("[" * 5000, "the file is nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text, says):
    assert [says] == problems(text)


def test_a_python_object_is_not_made():
    assert "could not determine a constructor" in problems("listen: !!python/name:os.system x")[0]


def test_a_control_character_is_told_in_one_line():
    [found] = problems("listen: \x00")
    assert "special characters are not allowed" in found
    assert "\n" not in found


def test_everything_is_told_at_once_references_first():
    text = """
listen: x
providers:
  one: {api_key: "${NONE_SUCH}", dialect: klingon}
  "two words": {}
routes:
  m: {deployments: [{weight: 0}, {provider: p, tier: gold}]}
zzz: 1
"""
    places = [found.partition(": ")[0].strip("`") for found in problems(text)]
    assert "providers.one.api_key" == places[0]
    assert {
        "listen",
        "providers.'two words'",
        "providers.one.dialect",
        "routes.m.deployments[0].provider",
        "routes.m.deployments[0].weight",
        "routes.m.deployments[1].tier",
        "zzz",
    } == set(places[1:])


def test_no_text_does_more_than_tell_problems():
    """Whatever is cut off or garbled, the answer is settings or problems."""
    rng = random.Random(5)
    good = "auth: {keys: [{name: a, key: '${K}'}]}\nroutes: {m: {policy: {name: cost}, deployments: [{provider: p}]}}\n"
    for _ in range(300):
        text = list(good)
        for _ in range(rng.randint(1, 6)):
            text[rng.randrange(len(text))] = rng.choice("{}[]:,'\"*&!|>-# \n\t?%@`x0")
        outcome = settings_or_problems("".join(text[: rng.randint(1, len(text))]))
        assert SECRET not in str(outcome)


def settings_or_problems(text: str) -> Config | ConfigProblems:
    try:
        return parse(text, {"K": SECRET})
    except ConfigProblems as found:
        return found


# --- the file -----------------------------------------------------------------------------------------------------


def unreadable(path: Path) -> str:
    with pytest.raises(ConfigProblems) as caught:
        load(path, {})
    return str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert f"there is no file `{tmp_path}/x`" in unreadable(tmp_path / "x")


def test_a_directory_is_no_file(tmp_path):
    assert f"`{tmp_path}` cannot be read: " in unreadable(tmp_path)


def test_what_is_not_utf_8_is_told(tmp_path):
    (tmp_path / "x").write_bytes(b"listen: \xff")
    assert f"`{tmp_path}/x` cannot be read: " in unreadable(tmp_path / "x")


def test_a_huge_file_is_not_read(tmp_path):
    (tmp_path / "x").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    assert f"`{tmp_path}/x` is larger than {MAX_FILE_BYTES} bytes" == unreadable(tmp_path / "x")


def test_a_far_name_is_not_offered():
    assert ("did you mean `latency`?", "") == (closest("latnecy", ["cost", "latency"]), closest("zzz", ["cost"]))
