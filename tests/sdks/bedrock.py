"""What both of Bedrock's clients ask."""

from __future__ import annotations

import json
from typing import Any

PROVIDER = "aws.bedrock"
CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
HELLO: Any = [{"role": "user", "content": [{"text": "hello"}]}]
BODY = json.dumps(
    {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 999, "messages": [{"role": "user", "content": "hello"}]}
)
