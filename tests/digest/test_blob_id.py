"""The name that git gives bytes."""

from reconciler.digest import blob_id


def test_bytes_have_the_name_that_git_gives_them():
    assert blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
