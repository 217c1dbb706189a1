"""The tracing that Mistral's SDK brings along."""

from __future__ import annotations

import asking
import emitting

emitting.provide()
emitting.run(asking.mistral_calls())
