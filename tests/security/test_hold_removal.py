"""A Hold ends early only by the role that it names."""

import pytest
from loop_acme import FRAUD, Published, Repo

PATH = "holds/incident.yaml"
HOLD = b"""\
apiVersion: reconciler.dev/v1alpha1
kind: Hold
metadata: {name: incident}
spec: {selector: {environments: [prod]}, reason: incident 4711, releasedBy: owner}
"""


@pytest.mark.parametrize(("person", "ended"), [("", False), ("ada", False), ("bo", True)])
def test_a_hold_removed_without_its_roles_signature_stays_in_force(person, ended):
    world = Published(Repo())
    world.repo.write(PATH, HOLD)
    assert ("Hold", "incident") in world.publish().governed
    if person:
        world.repo.end_document(PATH, person)
    else:
        world.repo.remove(PATH)
    assert (("Hold", "incident") not in world.publish().governed) is ended
    assert FRAUD in world.publish().releases
