"""Store snapshots as Parquet files with a manifest."""
