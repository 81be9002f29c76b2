"""Writes deploy/crds/*.yaml from the models: `python deploy/generate.py`. A test fails when they are out of date."""  # noqa: INP001  # a script, not a package

from pathlib import Path

from reconciler.render.crds import manifests

if __name__ == "__main__":
    for name, text in manifests().items():
        (Path(__file__).parent / "crds" / name).write_text(text)
