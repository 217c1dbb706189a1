"""What each model cost, by Spark: it reads the lake's Delta tables as they are. README.md says what it needs.

    python examples/spark/cost_by_model.py --data otel-llm-data --jars jars

Prints CSV. Spark may read while the collector writes. It must not change these tables: its OPTIMIZE and the collector's
own compaction do not know of each other.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from pyspark.sql import SparkSession

SQL = """
SELECT coalesce(response_model, request_model) AS model, count(*) AS calls, sum(cost_usd) AS cost_usd
FROM delta.`{folder}`
WHERE is_llm_call
GROUP BY 1
ORDER BY cost_usd DESC NULLS LAST, model
"""
SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.databricks.delta.snapshotPartitions": "2",  # of the log, which is small: 10 s instead of 35
    "spark.ui.enabled": "false",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What each model cost, by Spark")
    parser.add_argument("--data", default="otel-llm-data", help="the collector's data directory")
    parser.add_argument("--jars", default="jars", help="the folder with Delta's jars")
    chosen = parser.parse_args()
    jars = sorted(map(str, Path(chosen.jars).glob("*.jar")))
    if not jars:
        sys.exit(f"no jars in {chosen.jars}: examples/spark/README.md says how to get them")
    builder = SparkSession.builder.appName("otel-llm").master("local[2]").config("spark.jars", ",".join(jars))
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    found = spark.sql(SQL.format(folder=(Path(chosen.data) / "spans").absolute()))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows(found.collect())
    spark.stop()


if __name__ == "__main__":
    main()
