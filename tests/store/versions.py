"""Stored snapshots in an older format version, and manifests with other values."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from frgroups.store.manifest import write_manifest


def rewrite_manifest(folder, **facts):
    """Write the manifest of a stored snapshot again, with the current checksums and the given values."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    path.unlink()
    own = ("schema_version", "written_by", "files", "checksum")
    write_manifest(folder, {name: value for name, value in manifest.items() if name not in own} | facts)


def convert_to_version_2(folder):
    """Remove the snapshot id from a stored snapshot, and return its folder."""
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        if "snapshot_id" in table.column_names:
            table = table.drop_columns("snapshot_id")
            renamed = {"own snapshot_id": "snapshot_id", "own own snapshot_id": "own snapshot_id"}
            fields = [field.with_name(renamed.get(field.name, field.name)) for field in table.schema]
            # The metadata contains the pandas dtype of each column by its name.
            metadata = {key: _rename(value, renamed) for key, value in (table.schema.metadata or {}).items()}
            table = pa.Table.from_arrays(table.columns, schema=pa.schema(fields, metadata))
        pq.write_table(table, path)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    del manifest["snapshot_id"]
    path.write_text(json.dumps(manifest))
    rewrite_manifest(folder, schema_version=2)
    return folder


def _rename(metadata, names):
    for old, new in names.items():
        metadata = metadata.replace(json.dumps(old).encode(), json.dumps(new).encode())
    return metadata
