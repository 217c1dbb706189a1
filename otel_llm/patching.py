"""Replacing a method of somebody else's class, and putting it back.

Nothing is imported for it: a patch waits for the module that the app imports. `undo` restores what is still ours and
leaves what somebody wrapped around ours, which then passes everything through.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from .failures import shielded

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]

_undo: Final[list[Callable[[], object]]] = []
_generation = 0


def when_imported(module: str, hook: Callable[[ModuleType], None]) -> None:
    """Run the hook when the module has been imported, or now. Does nothing after `undo`."""
    import wrapt

    mine = _generation
    guarded = shielded(hook)

    def run(found: ModuleType) -> None:
        if mine == _generation:
            guarded(found)

    wrapt.register_post_import_hook(run, module)


def patch(owner: Any, name: str, wrap: Wrap) -> None:
    """Replace `owner.name` by what `wrap` makes of it, with its name, documentation and signature."""
    original = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
    ours = functools.wraps(original)(wrap(original))
    setattr(owner, name, ours)

    def restore() -> None:
        if vars(owner).get(name) is ours:
            setattr(owner, name, original)

    _undo.append(restore)


def patch_path(target: str, wrap: Wrap) -> None:
    """Patch `module:Class.method` once its module is imported."""
    module, _, dotted = target.partition(":")
    owner_name, _, name = dotted.partition(".")
    when_imported(module, lambda found: patch(getattr(found, owner_name), name, wrap))


def on_undo(action: Callable[[], object]) -> None:
    """Have an action run by `undo`, the last one first."""
    _undo.append(action)


def undo() -> None:
    """Restore everything that was patched and disarm the hooks that still wait."""
    global _generation
    _generation += 1
    while _undo:
        _undo.pop()()
