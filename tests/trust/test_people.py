"""The trust file: what it may say, whose a key is, when it counts and what its owner may do."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import Invalid, Misused, Refused
from reconciler.model.trustfile import AllowRule, TrustedKey, TrustFile
from reconciler.trust.allowed_signers import export_allowed_signers, import_allowed_signers
from reconciler.trust.keys import parse_public_line
from reconciler.trust.people import (
    KeyState,
    daemon_key,
    key_state,
    may,
    owner,
    path_matches,
    read_trust,
    revoked_keys,
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="session")
def example(key_pair):
    """The example of the documentation, with real keys."""

    def line(name):
        return key_pair(name).public.strip()

    def make(*changes):
        data = {
            "apiVersion": "reconciler.dev/v1alpha1",
            "kind": "Trust",
            "spec": {
                "repository": "github.com/acme/models",
                "version": 1,
                "threshold": {"role": "owner", "count": 1},
                "daemon": [{"key": line("daemon"), "validAfter": "2026-11-01T00:00:00Z"}],
                "people": [
                    {
                        "name": "ada",
                        "roles": ["science"],
                        "logins": {"github": "ada-l"},
                        "keys": [
                            {
                                "key": line("ada"),
                                "validAfter": "2026-11-01T00:00:00Z",
                                "validBefore": "2027-11-01T00:00:00Z",
                            }
                        ],
                    },
                    {
                        "name": "bo",
                        "roles": ["platform", "owner"],
                        "keys": [
                            {"key": line("bo")},
                            {"key": line("bo-old"), "revokedAt": "2026-11-20T00:00:00Z"},
                        ],
                    },
                    {"name": "cy", "roles": ["risk"], "keys": [{"key": line("cy")}]},
                ],
                "allow": [
                    {"role": "science", "may": ["release"], "environments": ["dev", "staging"]},
                    {"role": "platform", "may": ["release", "remove"], "environments": ["*"]},
                    {
                        "role": "platform",
                        "may": ["configure"],
                        "paths": ["clusters/**", "environments/**", "runtimes/**", "policies/**"],
                    },
                    {"role": "risk", "may": ["approve", "waive", "clear"], "environments": ["prod"]},
                    {"role": "owner", "may": ["trust", "trunk", "hold", "breakGlass"], "environments": ["*"]},
                ],
            },
        }
        for change in changes:
            change(data["spec"])
        return data

    return make


@pytest.fixture(scope="session")
def trust(example):
    return read_trust(example(), path="trust.yaml")


def blob(key_pair, name):
    return parse_public_line(key_pair(name).public.strip()).blob


def person(trust, name):
    return next(one for one in trust.spec.people if one.name == name)


# --- reading


def test_the_documented_example_is_read_and_written_back(trust, example):
    assert trust.to_data() == TrustFile.from_data(trust.to_data()).to_data()
    assert trust.to_full_data()["spec"]["allow"][2]["paths"][0] == "clusters/**"
    assert trust == read_trust(json.loads(json.dumps(example())), path="trust.yaml")


def test_the_schema_is_published_and_shows_the_patterns():
    schema = TrustFile.model_json_schema(by_alias=True)
    assert schema["additionalProperties"] is False
    assert "validBefore" in schema["$defs"]["TrustedKey"]["properties"]
    assert schema["$defs"]["Person"]["properties"]["name"]["pattern"].startswith("^(")


def _set(*path, value):
    def change(spec):
        *parents, last = path
        for part in parents:
            spec = spec[part]
        spec[last] = value

    return change


def _same_key(spec):
    spec["people"][2]["keys"].append(dict(spec["people"][0]["keys"][0]))


def _daemon_key_of_a_person(spec):
    spec["people"][2]["keys"].append({"key": spec["daemon"][0]["key"]})


def _same_key_with_another_comment(spec):
    spec["people"][1]["keys"].append({"key": spec["people"][1]["keys"][0]["key"] + " again"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("people", 0, "nmae", value="x"), ["spec.people[0].nmae: is not a field; did you mean name?"]),
        (_set("version", value=True), ["spec.version: must be a whole number"]),
        (_set("version", value="1"), ["spec.version: must be a whole number"]),
        (_set("version", value=10**30), ["holds a value that no trust file can hold"]),
        (_set("version", value=0), ["spec.version: Input should be greater than or equal to 1"]),
        (_set("people", value=[]), ["spec.people: must not be empty"]),
        (_set("people", 0, "name", value="ada\n"), ["spec.people[0].name: must be a short name"]),
        (_set("people", 2, "name", value="Ada"), ["spec.people[2].name: this name stands in the file already"]),
        (_set("people", 2, "logins", value={"github": "ADA-L"}), ["at spec.people[0].logins.github"]),
        (_set("people", 2, "logins", value=[]), ["spec.people[2].logins: must be a mapping"]),
        (_same_key, ["spec.people[2].keys[1].key: this key stands in the file already, at spec.people[0].keys[0].key"]),
        (_daemon_key_of_a_person, ["spec.people[2].keys[1].key: this key", "at spec.daemon[0].key"]),
        (_same_key_with_another_comment, ["spec.people[1].keys[2].key: this key", "spec.people[1].keys[0].key"]),
        (
            _set("people", 0, "keys", 0, "validAfter", value="2026-11-01T00:00:00+01:00"),
            ["spec.people[0].keys[0].validAfter: must be a time in UTC such as 2026-12-01T09:00:00Z"],
        ),
        (
            _set("people", 0, "keys", 0, "validAfter", value="2026-13-01T00:00:00Z"),
            ["keys[0].validAfter: must be a time in UTC"],
        ),
        (_set("people", 0, "keys", 0, "validAfter", value=1), ["keys[0].validAfter: must be a time in UTC"]),
        (
            _set("people", 0, "keys", 0, "validBefore", value="2026-11-01T00:00:00Z"),
            ["spec.people[0].keys[0]: validBefore must be later than validAfter"],
        ),
        (
            _set("people", 0, "keys", 0, "key", value="ssh-ed25519 AAAA"),
            ["spec.people[0].keys[0].key: The public key cannot be used: it is cut short."],
        ),
        (_set("people", 0, "keys", 0, "key", value="ssh-dss AAAAB3NzaC1kc3M="), ["key type ssh-dss is not accepted"]),
        (_set("people", 0, "keys", 0, "key", value="ssh-ed25519 AAAAB"), ["its base64 is broken"]),
        (_set("people", 0, "keys", 0, "key", value="ssh-ed25519"), ["must be a public key in one line"]),
        (_set("daemon", 0, "key", value="ssh-rsa AAAA"), ["spec.daemon[0].key: The public key cannot be used"]),
        (_set("threshold", value={"role": "owner", "count": 2}), ["spec.threshold: it can never be met"]),
        (_set("threshold", value={"role": "owner", "count": 0}), ["spec.threshold.count"]),
        (_set("threshold", value={"role": "nobody"}), ["it needs 1 with the role nobody and the file has 0"]),
        (_set("allow", 0, "may", value=["relase"]), ["spec.allow[0].may[0]: Input should be 'release'"]),
        (_set("allow", 0, "may", value=[]), ["spec.allow[0].may: must not be empty"]),
        (_set("allow", 0, "environments", value=["pr*"]), ["spec.allow[0].environments[0]: must be the name of an"]),
        (_set("allow", 0, "environments", value=[]), ["spec.allow[0]: release needs environments and has no paths"]),
        (_set("allow", 0, "paths", value=["**"]), ["spec.allow[0]: release needs environments and has no paths"]),
        (_set("allow", 2, "environments", value=["*"]), ["spec.allow[2]: configure stands in a rule of its own"]),
        (_set("allow", 2, "may", value=["configure", "release"]), ["configure stands in a rule of its own"]),
        (_set("allow", 2, "paths", value=["/etc"]), ["spec.allow[2].paths[0]: is not a path pattern"]),
        (_set("allow", 2, "paths", value=["a/../b"]), ["is not a path pattern"]),
        (_set("allow", 2, "paths", value=["a**"]), ["is not a path pattern"]),
        (_set("allow", 2, "paths", value=["[ab]"]), ["is not a path pattern"]),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_field_s_path(example, change, said):
    with pytest.raises(Invalid) as caught:
        read_trust(example(change), path="trust.yaml")
    for part in said:
        assert part in caught.value.message
    assert caught.value.message.startswith("trust.yaml:1:1: ")


def test_every_problem_is_named_at_once_and_at_its_place(example):
    def change(spec):
        spec["extra"] = 1
        spec["people"][0]["name"] = 5

    with pytest.raises(Invalid) as caught:
        read_trust(example(change), path="t.yaml", locate=lambda where: (len(where), 3))
    assert (
        str(caught.value) == "t.yaml:2:3: spec.extra: is not a field\nt.yaml:4:3: spec.people[0].name: must be a text"
    )


@pytest.mark.parametrize("data", [None, [], "x", 5, {}, {"kind": "Trust"}, {1: 2}, object(), "\udc80"])
def test_what_is_not_a_trust_file_is_invalid(data):
    with pytest.raises(Invalid):
        read_trust(data, path="trust.yaml")


# --- whose key, and when


def test_a_key_belongs_to_one_person_and_the_daemon_s_to_nobody(trust, key_pair):
    found = owner(trust, blob(key_pair, "bo-old"))
    assert found is not None
    assert found[0].name == "bo"
    assert owner(trust, blob(key_pair, "daemon")) is None
    assert owner(trust, blob(key_pair, "stranger")) is None
    assert daemon_key(trust, blob(key_pair, "daemon")) is not None
    assert daemon_key(trust, blob(key_pair, "ada")) is None


JAN, FEB, MAR = at("2027-01-01"), at("2027-02-01"), at("2027-03-01")
BEFORE = timedelta(seconds=-1)


@pytest.mark.parametrize(
    ("times", "moment", "state"),
    [
        ({}, JAN, KeyState.VALID),
        ({"valid_after": FEB}, FEB + BEFORE, KeyState.NOT_YET),
        ({"valid_after": FEB}, FEB, KeyState.VALID),
        ({"valid_before": FEB}, FEB + BEFORE, KeyState.VALID),
        ({"valid_before": FEB}, FEB, KeyState.EXPIRED),
        ({"revoked_at": FEB}, FEB + BEFORE, KeyState.VALID),
        ({"revoked_at": FEB}, FEB, KeyState.REVOKED),
        ({"revoked_at": FEB, "valid_before": JAN}, FEB, KeyState.REVOKED),
        ({"revoked_at": MAR, "valid_before": JAN}, FEB, KeyState.EXPIRED),
        ({"revoked_at": JAN, "valid_after": MAR}, FEB, KeyState.REVOKED),
    ],
)
def test_a_key_s_state_is_that_of_the_moment(key_pair, times, moment, state):
    assert key_state(TrustedKey(key=key_pair("ada").public.strip(), **times), moment) is state


def test_revoked_keys_are_listed_from_the_moment_of_their_revocation(trust, key_pair):
    old = parse_public_line(key_pair("bo-old").public.strip()).fingerprint
    assert revoked_keys(trust, at("2026-11-19")) == frozenset()
    assert revoked_keys(trust, at("2026-11-20")) == {old}


# --- who may do what


@pytest.mark.parametrize(
    ("who", "verb", "where", "allowed"),
    [
        ("ada", "release", {"environment": "dev"}, True),
        ("ada", "release", {"environment": "staging"}, True),
        ("ada", "release", {"environment": "prod"}, False),
        ("ada", "release", {"environment": "*"}, False),
        ("ada", "approve", {"environment": "dev"}, False),
        ("ada", "configure", {"path": "environments/prod.yaml"}, False),
        ("bo", "release", {"environment": "prod"}, True),
        ("bo", "remove", {"environment": "anything"}, True),
        ("bo", "approve", {"environment": "prod"}, False),
        ("bo", "configure", {"path": "environments/prod.yaml"}, True),
        ("bo", "configure", {"path": "environments/eu/prod.yaml"}, True),
        ("bo", "configure", {"path": "analysis/latency.yaml"}, False),
        ("bo", "configure", {"path": "environments"}, False),
        ("bo", "configure", {"path": "clusters/../waivers/x.yaml"}, False),
        ("bo", "trust", {}, True),
        ("bo", "trunk", {}, True),
        ("bo", "hold", {"environment": "prod"}, True),
        ("bo", "breakGlass", {"environment": "prod"}, True),
        ("cy", "approve", {"environment": "prod"}, True),
        ("cy", "waive", {"environment": "prod"}, True),
        ("cy", "clear", {"environment": "prod"}, True),
        ("cy", "clear", {"environment": "dev"}, False),
        ("cy", "trust", {}, False),
        ("cy", "trunk", {}, False),
    ],
)
def test_a_role_may_what_a_rule_allows_and_nothing_else(trust, who, verb, where, allowed):
    assert may(trust, person(trust, who), verb, **where) is allowed


def test_trust_and_trunk_need_a_rule_for_the_whole_repository(example):
    trust = read_trust(example(_set("allow", 4, "environments", value=["prod"])), path="t")
    assert not may(trust, person(trust, "bo"), "trust")
    assert not may(trust, person(trust, "bo"), "trunk")


def test_changing_trust_needs_the_threshold_s_role_as_well_as_a_rule(example):
    trust = read_trust(example(_set("threshold", value={"role": "risk", "count": 1})), path="t")
    assert not may(trust, person(trust, "bo"), "trust")


@pytest.mark.parametrize(
    ("verb", "where"),
    [
        ("release", {}),
        ("release", {"path": "a"}),
        ("release", {"environment": "dev", "path": "a"}),
        ("configure", {"environment": "dev"}),
        ("configure", {}),
        ("trust", {"environment": "dev"}),
    ],
)
def test_a_question_without_the_right_place_is_misused(trust, verb, where):
    with pytest.raises(Misused):
        may(trust, person(trust, "bo"), verb, **where)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("clusters/**", "clusters/a.yaml", True),
        ("clusters/**", "clusters/eu/a.yaml", True),
        ("clusters/**", "clusters", False),
        ("clusters/**", "clusters/", False),
        ("clusters/**", "clustersX/a.yaml", False),
        ("clusters/**", "x/clusters/a.yaml", False),
        ("clusters/*", "clusters/a.yaml", True),
        ("clusters/*", "clusters/eu/a.yaml", False),
        ("clusters/?.yaml", "clusters/a.yaml", True),
        ("clusters/?.yaml", "clusters/ab.yaml", False),
        ("**/prod.yaml", "prod.yaml", True),
        ("**/prod.yaml", "a/b/prod.yaml", True),
        ("**/prod.yaml", "a/bprod.yaml", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("**", "anything/at/all", True),
        ("**", "/etc/passwd", False),
        ("**", "a/../b", False),
        ("**", "", False),
        ("a.yaml", "aXyaml", False),
        ("a.yaml", "a.yaml\n", False),
        ("A.yaml", "a.yaml", False),
    ],
)
def test_path_patterns(pattern, path, matches):
    assert path_matches(pattern, path) is matches
    assert AllowRule(role="r", may=("configure",), paths=(pattern,)).paths == (pattern,)


# --- allowed_signers


def test_an_export_is_what_was_trusted_and_leaves_the_daemon_out(trust, key_pair):
    text = export_allowed_signers(trust)
    assert [
        (one.principal, one.key.blob, one.valid_after, one.valid_before) for one in import_allowed_signers(text)
    ] == [
        ("ada", blob(key_pair, "ada"), at("2026-11-01"), at("2027-11-01")),
        ("bo", blob(key_pair, "bo"), None, None),
        ("bo", blob(key_pair, "bo-old"), None, at("2026-11-20")),
        ("cy", blob(key_pair, "cy"), None, None),
    ]
    assert key_pair("daemon").public.split()[1] not in text


def test_an_import_reads_options_comments_and_several_principals(key_pair):
    line = key_pair("ada").public.strip()
    text = f'# team\n\n  ada@example.com,ada valid-after="20261101",valid-before="202711010000Z" {line} a comment\r\n'
    text = text.replace('"20261101"', '"20261101Z"')
    entries = import_allowed_signers(text)
    assert [entry.principal for entry in entries] == ["ada@example.com", "ada"]
    assert {entry.valid_after for entry in entries} == {at("2026-11-01")}
    assert {entry.valid_before for entry in entries} == {at("2027-11-01")}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ada", "it is not of the form"),
        ("* KEY", "names nobody"),
        ("*@example.com KEY", "names nobody"),
        ("ada,, KEY", "names nobody"),
        ("ada cert-authority KEY", "the option cert-authority says"),
        ('ada namespaces="git" KEY', "the option namespaces says"),
        ('ada valid-after="20261101" KEY', "end it with Z"),
        ('ada valid-after="2026-11-01Z" KEY', "is not a time"),
        ('ada valid-after="20261301Z" KEY', "is not in the calendar"),
        ('ada valid-after="20261101Z",valid-after="20261101Z" KEY', "stands there twice"),
        ("ada ssh-ed25519 AAAA", "it is cut short"),
    ],
)
def test_a_line_that_says_more_than_the_trust_file_can_is_refused(key_pair, line, said):
    text = "# first\n" + line.replace("KEY", key_pair("ada").public.strip())
    with pytest.raises(Refused, match=r"^Line 2 of the allowed signers cannot be imported: ") as caught:
        import_allowed_signers(text)
    assert said in caught.value.message


def test_ssh_keygen_reads_the_export_as_we_mean_it(ssh_keygen, trust, key_pair, tmp_path):
    (tmp_path / "allowed").write_text(export_allowed_signers(trust))
    for name, principal, moment, expected in [
        ("ada", "ada", "20261201000000Z", True),
        ("ada", "ada", "20261031000000Z", False),
        ("ada", "ada", "20271102000000Z", False),
        ("bo-old", "bo", "20261119000000Z", True),
        ("bo-old", "bo", "20261121000000Z", False),
        ("bo", "ada", "20261201000000Z", False),
        ("daemon", "bo", "20261201000000Z", False),
    ]:
        key = tmp_path / name
        key.write_bytes(key_pair(name).private)
        key.chmod(0o600)
        signed = ssh_keygen.run("-q", "-Y", "sign", "-f", str(key), "-n", "file", stdin=b"text").stdout
        (tmp_path / "sig").write_bytes(signed)
        args = ["-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", principal, "-n", "file"]
        args += ["-s", str(tmp_path / "sig"), "-O", f"verify-time={moment}"]
        assert (ssh_keygen.run(*args, stdin=b"text").returncode == 0) is expected, (name, principal, moment)


def test_a_fields_name_that_hides_or_is_long_is_quoted(example):
    for name, shown in (("\u202egnp", r"['\u202egnp']"), ("x" * 99, f"['{'x' * 60}']")):
        with pytest.raises(Invalid) as caught:
            read_trust({**example(), name: 1}, path="trust.yaml")
        assert [problem.field for problem in caught.value.problems] == [shown]


def test_a_time_that_hides_is_quoted(key_pair):
    with pytest.raises(Refused, match=r"'\\x1b\[2J' is not a time"):
        import_allowed_signers(f'ada valid-after="\x1b[2J" {key_pair("ada").public}')
