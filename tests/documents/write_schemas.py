"""Writes schemas/<Kind>.json from the models: `PYTHONPATH=. python tests/documents/write_schemas.py`."""

from pathlib import Path

from reconciler.documents.schema import schema_files

FOLDER = Path(__file__).parents[2] / "schemas"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.json"):
        stale.unlink()
    for name, data in schema_files().items():
        (FOLDER / name).write_bytes(data)
