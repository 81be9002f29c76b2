"""What the embedded API knows of Kubernetes' own types is what a real server says about them."""

import orjson
import pytest
from kinds_from_openapi import TARGET, dump, read


@pytest.mark.controlplane
def test_the_table_of_kinds_is_the_real_servers(control_plane):
    """When it differs: `python tests/contract/kinds_from_openapi.py KUBECONFIG`."""
    told = read(lambda path: control_plane.get(f"/openapi/v3/{path}"))
    assert told["roots"] == orjson.loads(TARGET.read_bytes())["roots"]
    assert dump(told) == TARGET.read_bytes()
