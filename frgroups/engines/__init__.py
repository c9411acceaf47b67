"""Count memberships in a query engine, such as DuckDB, Spark, or Polars, through Narwhals."""
