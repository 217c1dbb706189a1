"""Running a generator inside a context, step by step: nothing stays attached while it is suspended at a `yield`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context


def drive(inner: Generator[Any, Any, Any], context: Context) -> Generator[Any, Any, Any]:
    """The generator, each step of it inside the context; values, exceptions and the result pass both ways."""
    step, argument = inner.send, None
    try:
        while True:
            token = otel_context.attach(context)
            try:
                item = step(argument)
            except StopIteration as stop:
                return stop.value
            finally:
                otel_context.detach(token)
            try:
                argument, step = (yield item), inner.send
            except GeneratorExit:
                raise
            except BaseException as error:
                argument, step = error, inner.throw
    finally:
        token = otel_context.attach(context)
        try:
            inner.close()
        finally:
            otel_context.detach(token)


async def drive_async(inner: AsyncGenerator[Any, Any], context: Context) -> AsyncGenerator[Any, Any]:
    """`drive` for an asynchronous generator."""
    step, argument = inner.asend, None
    try:
        while True:
            token = otel_context.attach(context)
            try:
                item = await step(argument)
            except StopAsyncIteration:
                return
            finally:
                otel_context.detach(token)
            try:
                argument, step = (yield item), inner.asend
            except GeneratorExit:
                raise
            except BaseException as error:
                argument, step = error, inner.athrow
    finally:
        token = otel_context.attach(context)
        try:
            await inner.aclose()
        finally:
            otel_context.detach(token)
