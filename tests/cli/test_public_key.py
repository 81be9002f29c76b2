"""Whose key it is that somebody would sign with, told before anything is signed."""

import shutil

import pytest

from reconciler.edges.keys import public_key
from reconciler.errors import Misused, Refused
from reconciler.trust.keys import parse_public_line


@pytest.fixture
def key(world):
    return world.key("ada")


def beside(key):
    return key.with_name(f"{key.name}.pub")


def test_the_line_beside_the_private_key_says_it(key):
    expected = parse_public_line(beside(key).read_text().strip())
    assert public_key(str(key)) == expected
    assert public_key(str(beside(key))) == expected
    assert public_key(beside(key).read_text().strip()) == expected


def test_without_that_line_ssh_keygen_or_the_key_itself_says_it(key, monkeypatch):
    expected = public_key(str(key))
    beside(key).write_text("no key\n")
    assert public_key(str(key)) == expected
    beside(key).unlink()
    assert public_key(str(key)) == expected
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert public_key(str(key)) == expected


def test_what_is_no_key_is_told(tmp_path):
    with pytest.raises(Misused, match="there is no key file"):
        public_key(str(tmp_path / "none"))
    (tmp_path / "text").write_text("hello")
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(Refused, match="ssh-keygen does not read"):
        public_key(str(tmp_path / "text"))
