"""Which installed distribution a module is from, by the packages' metadata: nothing is imported for it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import Distribution, distribution, packages_distributions


@functools.cache
def distribution_of(module: str) -> tuple[str, str] | None:
    """Name and version of the distribution that a module is from; None where it is from none that is known."""
    names = dict.fromkeys(_top_levels().get(module.partition(".")[0], ()))
    found = [distribution(name) for name in names]
    if len(found) > 1:  # a namespace that several share: the one that lists the file
        found = [one for one in found if _lists(one, module)]
    return (found[0].name, found[0].version) if found else None


@functools.cache
def _top_levels() -> Mapping[str, list[str]]:
    return packages_distributions()


def _lists(one: Distribution, module: str) -> bool:
    path = module.replace(".", "/")
    return any(str(file).startswith((f"{path}/", f"{path}.")) for file in one.files or ())
