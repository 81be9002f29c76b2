"""Version × target → Kubernetes objects: what one target should have, as exact bytes.

Read `target` first. Not applying, comparing or ordering (edges/kube and plan do), and no cache: the caller keeps one.
"""

from reconciler.render.runtimes import BUILTIN
from reconciler.render.target import RENDERER, render

__all__ = ["BUILTIN", "RENDERER", "render"]
