"""Store snapshots as parquet tables with a manifest."""
