"""Handing on what came in: to any number of OTLP receivers, each with its own place in the journal, in a process apart.

    journal, archive ──cursor──> filter, enrich ──> target (HTTP or gRPC)

A target that is slow, dead or wrong delays nobody: its requests stay in the journal and the archive, which are its
queue, up to `queue_bytes_max`; older ones are then dropped for it, counted and told.
"""

from .destination import Destination, check_url
from .state import TargetState, read_states

__all__ = ["Destination", "TargetState", "check_url", "read_states"]
