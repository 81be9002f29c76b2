"""Which object a target deletes: exactly the one that is ours now."""

from types import SimpleNamespace

import pytest

from reconciler.loop.target import _write
from reconciler.model.objects import ObjectRef
from reconciler.model.plan import Action, Change

REF = ObjectRef(group="networking.k8s.io", version="v1", kind="NetworkPolicy", namespace="fraud", name="fraud-detector")
OURS, THEIRS = "prod-fraud-detector-1a2b3c4d", "somebody-else"


@pytest.mark.parametrize(
    ("sentence", "live", "written_down", "deleted"),
    [
        ("the one that was written down, where the cache has not seen it", None, "u-1", ["u-1"]),
        ("the one that is there", (OURS, "u-1"), "u-1", ["u-1"]),
        ("one that was made anew by a pass that died before it wrote that down", (OURS, "u-2"), "u-1", ["u-2"]),
        ("one that was made and never written down", (OURS, "u-1"), "", ["u-1"]),
        ("somebody else's of that name is asked for by our UID, which it has not", (THEIRS, "u-2"), "u-1", ["u-1"]),
        ("nothing, where nobody knows that anything was ours", (THEIRS, "u-2"), "", []),
        ("nothing, where nothing was seen", None, "", []),
    ],
)
def test_it_deletes(sentence, live, written_down, deleted):
    asked = []
    known = {REF: SimpleNamespace(owner=live[0], uid=live[1])} if live else {}
    seen = SimpleNamespace(live=known, inventory={REF: SimpleNamespace(uid=written_down)}, owner=OURS)
    cluster = SimpleNamespace(delete=lambda _, uid: asked.append(uid))
    change = Change(action=Action.DELETE, ref=REF, tier=1, before="", after="", why="")
    _write(change, seen, {}, cluster)
    assert asked == deleted, sentence
