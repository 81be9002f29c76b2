"""The trust file and lists of allowed signers: taken whole or refused, and what was taken is written the same."""

import orjson
from fuzz_room import mutated, one_line, over, steps
from hypothesis import strategies as st

from reconciler.errors import Invalid, Refused
from reconciler.loop.mounted import trust_in
from reconciler.trust.allowed_signers import export_allowed_signers, import_allowed_signers
from reconciler.trust.keys import generate_key, parse_public_line

ADA, BO, US = (generate_key(name).public.strip() for name in ("ada", "bo", "daemon"))
TRUST = f"""\
apiVersion: reconciler.dev/v1alpha1
kind: Trust
spec:
  repository: github.com/acme/models
  version: 3
  threshold: {{role: security, count: 2}}
  daemon: [{{key: {US}}}]
  people:
    - name: ada
      roles: [security, risk]
      logins: {{github: ada-l}}
      keys: [{{key: "{ADA}", validAfter: 2026-01-01T00:00:00Z, validBefore: 2027-01-01T00:00:00Z}}]
    - name: bo@acme.example
      roles: [security]
      keys: [{{key: "{BO}", revokedAt: 2026-06-01T00:00:00Z}}]
  allow:
    - {{role: security, may: [trust, trunk], environments: ["*"]}}
    - {{role: risk, may: [release, approve], environments: [prod]}}
    - {{role: risk, may: [configure], paths: ["environments/**", "clusters/*.yaml"]}}
""".encode()
WORDS = [
    ADA.encode(), BO.encode(), US.encode(), b"ssh-rsa", b"AAAA", b"=", b"ada", b"count: 0", b"version: 0", b'"*"',
    b"2026-13-01T00:00:00Z", b"2026-01-01T00:00:00+01:00", b"may: []", b"breakGlass", b"\\u202e", b"environments: [",
    b"**", b"people: []", b"validAfter", b"<<: ", b"&a ", b"*a", b"!!str ", b"0755", b"  ", b"- ",
]  # fmt: skip
LIST = (
    f'# people\nada {ADA}\nbo@acme.example,bo valid-after="20260101Z",valid-before="20270101000000Z" {BO}\n'
).encode()
LIST_WORDS = [
    b"cert-authority ", b'namespaces="git" ', b'valid-after="', b'"', b",", b"*", b"!ada", b"20261301Z", b"20260101",
    b"\t", b"#", ADA.encode(), b"\xc2\xa0", b"\xe2\x80\xa8", b"valid-after=", b"VALID-AFTER",
]  # fmt: skip


@over(data=mutated([TRUST], WORDS))
def test_a_trust_file_is_taken_whole_or_refused_with_its_place(data):
    with steps(20_000 + 400 * len(data)):
        try:
            trust = trust_in("trust.yaml", data)
        except Invalid as error:
            for problem in error.problems:
                one_line(str(problem))
            return
    assert trust_in("trust.json", orjson.dumps(trust.to_data())) == trust
    owners = [key.blob for person in trust.spec.people for key in person.keys]
    assert len(set(owners)) == len(owners)
    assert {parse_public_line(key.key).blob for person in trust.spec.people for key in person.keys} == set(owners)
    people = {(person.name, key.blob) for person in trust.spec.people for key in person.keys}
    imported = import_allowed_signers(export_allowed_signers(trust))
    assert {(one.principal, one.key.blob) for one in imported} == people


@over(data=mutated([LIST], LIST_WORDS))
def test_a_list_of_signers_is_imported_or_the_line_is_named(data):
    text = data.decode("utf-8", "replace")
    with steps(2000 + 100 * len(text)):
        try:
            entries = import_allowed_signers(text)
        except Refused as error:
            one_line(error.message)
            return
    for entry in entries:
        assert entry.principal in text
        assert not set(entry.principal) & set("*?! ")
        times = [stamp.strftime("%Y%m%d") for stamp in (entry.valid_after, entry.valid_before) if stamp]
        assert all(time in text for time in times)


@over(
    line=mutated([ADA.encode(), BO.encode()], [*LIST_WORDS, *WORDS]).map(lambda data: data.decode("utf-8", "replace"))
    | st.text()
)
def test_a_line_with_a_key_is_the_key_it_says_or_none(line):
    try:
        key = parse_public_line(line)
    except Refused as error:
        one_line(error.message)
        return
    assert line.startswith(key.line)
