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
