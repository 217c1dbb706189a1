"""OpenAI audio: `POST /v1/audio/speech` gives sound, `/v1/audio/transcriptions` and `/translations` take it."""

from __future__ import annotations

import base64
import struct
from typing import Final

from .. import tokens
from ..drawing import Draw, pieces
from ..wire import OVERLOADED, Answer, Json, Step, Wire, sse, sse_events
from .providers import OPENAI, openai_error

_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "pcm": "audio/pcm",
}
_WAV: Final = "audio/wav"
_RATE: Final = 24_000  # samples a second
_PIECES: Final = 4  # of a stream of sound


def _speak(request: Json, draw: Draw, told: Json | None) -> Answer:
    """A tenth of a second of sound. As a file it tells no usage, as server-sent events it does."""
    data = _wav(draw)
    kind = _TYPES.get(str(request.get("response_format") or "mp3"), _WAV)
    spoken = len(str(request.get("input"))) // 4 + 3
    output = 20 + draw.below("audio", 400)
    usage = {"input_tokens": spoken, "output_tokens": output, "total_tokens": spoken + output} if told is None else told
    size = len(data) // _PIECES + 1
    parts = [base64.b64encode(data[i : i + size]).decode() for i in range(0, len(data), size)]
    steps: list[Step] = [({"type": "speech.audio.delta", "audio": part}, None) for part in parts]
    events = sse_events([*steps, ({"type": "speech.audio.done", "usage": usage}, usage)])
    return Answer(None, None, data, None, events, sse(openai_error(500, OVERLOADED, "")), body_type=kind)


def _wav(draw: Draw) -> bytes:
    samples = [round(3000 * number) for number in draw.vector("sound", _RATE // 10)]
    data = struct.pack(f"<{len(samples)}h", *samples)
    head = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16, b"data", len(data))
    return b"RIFF" + struct.pack("<I", 4 + len(head) + len(data)) + b"WAVE" + head + data


def _transcribe(request: Json, draw: Draw, told: Json | None) -> Answer:
    """Whisper is billed by the second, the newer models by the token."""
    text = draw.prose()
    usage = _usage(request, draw) if told is None else told
    deltas: list[Step] = [({"type": "transcript.text.delta", "delta": piece}, None) for piece in pieces(text)]
    done = {"type": "transcript.text.done", "text": text, "usage": usage}
    events = sse_events([*deltas, (done, usage)])
    error = sse(openai_error(500, OVERLOADED, ""))
    if request.get("response_format") in ("text", "srt", "vtt"):
        return Answer(None, None, f"{text}\n".encode(), None, events, error, body_type="text/plain; charset=utf-8")
    return Answer(None, None, {"text": text, "usage": usage}, usage, events, error)


def _usage(request: Json, draw: Draw) -> Json:
    if str(request.get("model")).startswith("whisper"):
        return {"type": "duration", "seconds": 1 + draw.below("seconds", 60)}
    audio, text, output = 10 + draw.below("audio", 900), len(str(request.get("prompt") or "")) // 4, 30
    output += draw.below("output", 200)
    return {
        "type": "tokens",
        "input_tokens": audio + text,
        "input_token_details": {"text_tokens": text, "audio_tokens": audio},
        "output_tokens": output,
        "total_tokens": audio + text + output,
    }


SPEECH: Final = Wire(
    OPENAI,
    _speak,
    ("model", "input", "voice", "instructions"),
    tokens.OPENAI_AUDIO,
    streams=lambda request: request.get("stream_format") == "sse",
)
TRANSCRIPTION: Final = Wire(OPENAI, _transcribe, ("model", "file", "prompt", "language"), tokens.OPENAI_AUDIO)
