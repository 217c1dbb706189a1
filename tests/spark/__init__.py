"""Spark reads the lake: `make test-spark`, in an environment of its own, with Java and Maven."""
