"""Replacing a method of somebody else's class, putting it back, and the ledger of what was replaced.

Nothing is imported for it: a patch waits for the module that the app imports. `undo` restores what is still ours and
leaves what somebody wrapped around ours, which then passes everything through.

Every target has a row in the ledger, so that an SDK whose version we do not know can be told from an app that makes no
call. A target that is not there is a row and no fault, since versions differ; a hook that raises is one.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Literal

from .failures import guarded, swallow

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
State = Literal["attached", "failed", "missing", "waiting"]


@dataclass(slots=True)
class Hook:
    """One row of the ledger: a target, `module` or `module:Class.method`, and what became of it.

    waiting    its module has not been imported
    attached   it is ours; where the target is a module, its hook ran to the end
    missing    the module is there, what was to be replaced in it is not: a version that we do not know
    failed     our hook raised; `error` says what
    """

    target: str
    state: State = "waiting"
    error: str = ""

    @property
    def module(self) -> str:
        """The module that the target is in."""
        return self.target.partition(":")[0]

    @property
    def distribution(self) -> tuple[str, str] | None:
        """Name and version of the installed package that the module is from. Reads metadata: not for hot paths."""
        from .installed import distribution_of

        return distribution_of(self.module)


_ledger: Final[list[Hook]] = []
_undo: Final[list[Callable[[], object]]] = []
_generation = 0
_running = threading.local()  # the module whose hook runs on this thread
_logger = logging.getLogger("otel_llm")


def ledger() -> list[Hook]:
    """Every target since the last `undo`, in the order in which they were named."""
    return list(_ledger)


def when_imported(module: str, hook: Callable[[ModuleType], None]) -> None:
    """Run the hook when the module has been imported, or now. Does nothing after `undo`."""
    _watch(_add(module), hook)


def patch(owner: Any, name: str, wrap: Wrap) -> None:
    """Replace `owner.name` by what `wrap` makes of it, with its name, documentation and signature.

    An owner that has no such name of its own is left alone: its row in the ledger is `missing`.
    """
    _settle(_add(_target(owner, name)), lambda: _replace(owner, name, wrap))


def patch_path(target: str, wrap: Wrap) -> None:
    """Patch `module:Class.method` once its module is imported."""
    owner_name, _, name = target.partition(":")[2].partition(".")
    _watch(_add(target), lambda found: _replace(getattr(found, owner_name), name, wrap))


def on_undo(action: Callable[[], object]) -> None:
    """Have an action run by `undo`, the last one first."""
    _undo.append(action)


def undo() -> None:
    """Restore everything that was patched, disarm the hooks that still wait, empty the ledger."""
    global _generation
    _generation += 1
    while _undo:
        guarded(_undo.pop())
    _ledger.clear()


def _add(target: str) -> Hook:
    row = Hook(target)
    _ledger.append(row)
    return row


def _watch(row: Hook, hook: Callable[[ModuleType], None]) -> None:
    import wrapt

    mine = _generation

    def run(found: ModuleType) -> None:
        if mine != _generation:
            return
        outer, _running.module = getattr(_running, "module", None), row.module
        try:
            _settle(row, lambda: hook(found))
        finally:
            _running.module = outer

    wrapt.register_post_import_hook(run, row.module)


def _settle(row: Hook, attach: Callable[[], None]) -> None:
    """Attach, and write down how that went."""
    try:
        attach()
    except Exception as error:
        row.error = f"{type(error).__name__}: {error}"
        row.state = "missing" if _is_missing(error) else "failed"
        if row.state == "failed":
            swallow(f"hooking {row.target}", error)
    else:
        row.state = "attached"
    if _logger.isEnabledFor(logging.DEBUG):
        count = sum(one.state == "attached" for one in _ledger)
        _logger.debug("%s: %s %s(attached: %d hooks)", row.target, row.state, row.error and row.error + " ", count)


def _is_missing(error: Exception) -> bool:
    """True where a name of somebody else's module or class is not there."""
    if isinstance(error, ImportError):
        return not _is_ours(error.name or "")
    if not isinstance(error, AttributeError):
        return False
    place = error.obj
    if isinstance(place, ModuleType):
        return not _is_ours(place.__name__)
    return isinstance(place, type) and not _is_ours(place.__module__)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == __name__.partition(".")[0]


def _replace(owner: Any, name: str, wrap: Wrap) -> None:
    original = _own(owner, name)
    called = getattr(owner, name) if _is_proxy(original) else original
    ours = functools.wraps(called)(wrap(called))
    setattr(owner, name, ours)

    def restore() -> None:
        if vars(owner).get(name) is ours:
            setattr(owner, name, original)

    _undo.append(restore)


def _is_proxy(found: Any) -> bool:
    """True for what somebody else's wrapt stands for: only asked for by its class does it take the object as `self`."""
    import wrapt

    return isinstance(found, wrapt.FunctionWrapper)


def _own(owner: Any, name: str) -> Any:
    """What a class defines itself, as it stands there: to replace what it inherits would not be undone."""
    if not isinstance(owner, type):
        return getattr(owner, name)
    if name not in owner.__dict__:
        raise AttributeError(f"{owner.__qualname__} defines no {name}", name=name, obj=owner)
    return owner.__dict__[name]


def _target(owner: Any, name: str) -> str:
    """`module:Class.method`, in the module whose hook runs: a class may be defined in another one."""
    if isinstance(owner, ModuleType):
        return f"{owner.__name__}:{name}"
    place = owner if isinstance(owner, type) else type(owner)
    return f"{getattr(_running, 'module', None) or place.__module__}:{place.__qualname__}.{name}"
