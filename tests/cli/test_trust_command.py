"""`trust show|import|export|check`."""

import json

import yaml


def test_show_tells_people_keys_and_what_they_may_do(reconciler, world):
    said = reconciler("trust", "show", world.trust(ada="platform", bo="science"))
    assert said.code == 0
    header, columns, ada, bo, daemon = said.out.splitlines()
    assert header == "version 1 for github.com/acme/models; the next one needs 1 of role platform"
    assert columns.split() == ["PERSON", "ROLES", "KEY", "MAY"]
    assert ada.split()[:2] == ["ada", "platform"]
    assert ada.endswith("release: *; configure: **")
    assert bo.endswith("release: prod")
    assert daemon.startswith("(daemon)")
    assert "\x1b" not in said.out


def test_show_tells_programs_the_same(reconciler, world):
    data = json.loads(reconciler("trust", "show", world.trust(ada="platform", bo="science"), "-o", "json").out)
    assert [(person["name"], len(person["may"])) for person in data["people"]] == [("ada", 2), ("bo", 1)]
    assert data["people"][0]["keys"][0]["fingerprint"].startswith("SHA256:")
    assert len(data["daemon"]) == 1


def test_check_says_yes_or_every_problem(reconciler, world):
    file = world.trust()
    assert reconciler("trust", "check", file).out == (
        f"{file} is valid: version 1 for github.com/acme/models, 1 people\n"
    )
    text = file.read_text()
    file.write_text(text.replace("version: 1", "version: 0").replace("may: [release]", "may: [fly]"))
    said = reconciler("trust", "check", file)
    assert said.code == 1
    assert len(said.err.splitlines()) == 3
    assert all(line.startswith(f"{file}:") for line in said.err.splitlines())


def test_export_and_import_keep_the_people(reconciler, world):
    exported = reconciler("trust", "export", world.trust(ada="platform", bo="science")).out
    assert world.public("daemon") not in exported
    signers = world.folder / "allowed_signers"
    signers.write_text(exported + f'bo valid-after="20261201090000Z" {world.public("cy")}\n')
    said = reconciler("trust", "import", signers)
    assert said.code == 0
    assert yaml.safe_load(said.out) == {
        "people": [
            {"name": "ada", "roles": [], "keys": [{"key": world.public("ada")}]},
            {
                "name": "bo",
                "roles": [],
                "keys": [
                    {"key": world.public("bo")},
                    {"key": world.public("cy"), "validAfter": "2026-12-01T09:00:00Z"},
                ],
            },
        ]
    }


def test_lines_that_cannot_be_imported_are_named(reconciler, world):
    signers = world.folder / "allowed_signers"
    lines = {
        f"*@example.com {world.public('ada')}\n": "Line 1 of the allowed signers",
        f"a:b {world.public('ada')}\n": "cannot be a person's name",
        "# nobody\n": "there is no signer",
    }
    for text, words in lines.items():
        signers.write_text(text)
        said = reconciler("trust", "import", signers)
        assert (said.code, said.out) == (1, "")
        assert words in said.err
    signers.write_bytes(b"\xff")
    assert "is not UTF-8" in reconciler("trust", "import", signers).err


# --- the next version


def following(world, reconciler, *, by="", version=2, old="", new=""):
    """The next version of ada's trust file in the clone, signed by somebody; the file in force."""
    now = world.trust(ada="platform", bo="science")
    now.write_text(now.read_text() + '    - {role: platform, may: [trust], environments: ["*"]}\n')
    text = now.read_text().replace("version: 1", f"version: {version}")
    world.write("trust.yaml", text.replace(old, new) if old else text)
    if by:
        said = reconciler("sign", "trust.yaml", "--key", world.key(by), at=world.root)
        assert said.code == 0, said.err
        assert f"version {version} of the trust file of github.com/acme/models" in said.out
    return now


def test_check_says_whether_it_is_the_next_version_and_signed_as_the_one_in_force_asks(reconciler, world):
    now = following(world, reconciler)
    said = reconciler("trust", "check", "trust.yaml", "--after", now, at=world.root)
    assert said.code == 1
    assert "is not signed: there is no signature beside it" in said.err
    assert "it needs 1 of role platform; who could sign: ada" in said.err
    following(world, reconciler, by="bo")
    said = reconciler("trust", "check", "trust.yaml", "--after", now, at=world.root)
    assert "whose role science may not change the trust file" in said.err
    following(world, reconciler, by="ada")
    said = reconciler("trust", "check", "trust.yaml", "--after", now, at=world.root)
    assert (said.code, said.out) == (
        0,
        "trust.yaml is version 2 and follows 1: it is signed by 1 of role platform\n",
    )


def test_verify_judges_the_tree_by_the_trust_file_that_follows_in_it(reconciler, world):
    now = following(world, reconciler, by="ada", old="roles: [science]", new="roles: [platform]")
    for path in ("environments/prod.yaml", "clusters/eu-1.yaml", "policies/two-replicas.yaml"):
        assert reconciler("sign", path, "--key", world.key("bo"), at=world.root).code == 0
    assert reconciler("sign", "releases/prod/fraud.yaml", "--key", world.key("bo"), at=world.root).code == 0
    said = reconciler("verify", "--trust", now, at=world.root)
    assert said.code == 0, said.out
    assert "verified  trust.yaml: version 2, signed as 1 asks" in said.out
    (world.root / "trust.yaml.sig").unlink()
    said = reconciler("verify", "--trust", now, at=world.root)
    assert said.code == 1
    assert "NOT VERIFIED  trust.yaml: version 2 of the trust file" in said.out
    assert "NOT VERIFIED  clusters/eu-1.yaml: signed by bo" in said.out
    following(world, reconciler, version=1)
    said = reconciler("verify", "--trust", now, at=world.root)
    assert "not signed  trust.yaml: version 1 of the trust file decides nothing: version 1 is in force" in said.out


def test_validate_takes_a_trust_file_in_the_repository_and_names_keys_that_nobody_can_check(reconciler, world):
    following(world, reconciler)
    said = reconciler("validate", at=world.root)
    assert (said.code, said.out) == (0, "5 documents, no problem\n")
    text = (world.root / "trust.yaml").read_text()
    (world.root / "trust.yaml").write_text(text.replace(world.public("bo"), "ssh-dss AAAAB3NzaC1kc3MAAAA="))
    said = reconciler("validate", at=world.root)
    assert said.code == 1
    assert "trust.yaml:" in said.out
    assert "spec.people[1].keys[0].key: The public key cannot be used" in said.out
    said = reconciler("sign", "trust.yaml", "--key", world.key("ada"), at=world.root)
    assert said.code == 1
    assert "spec.people[1].keys[0].key" in said.err
