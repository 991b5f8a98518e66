"""What is measured, how one asks it, and what it had turned on."""

import http.client
import json
from dataclasses import dataclass, field

PROMPT = "Tell me, in one short sentence, which city is the capital of Japan, and why. " * 4
ANSWER = "The capital of Japan is Tokyo."
PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class System:
    """model: what a client asks for, at path. on: what was turned on, for people. pid: of its first process."""

    name: str
    port: int
    model: str
    on: str
    headers: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    path: str = PATH

    def chat(self, prompt: str = PROMPT) -> bytes:
        """A chat request of about 90 bytes and the prompt."""
        message = {"role": "user", "content": prompt}
        body = {"model": self.model, "messages": [message], "temperature": 0.2, "max_tokens": 64}
        return json.dumps(body, separators=(",", ":")).encode()

    def fields(self) -> dict[str, str]:
        return {"content-type": "application/json", **self.headers}


def check(system: System) -> None:
    """Asks once. Raises RuntimeError unless the upstream's answer comes back."""
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
    try:
        connection.request("POST", system.path, system.chat(), system.fields())
        answer = connection.getresponse()
        text = answer.read().decode()
    except OSError as error:
        raise RuntimeError(f"no answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200 or ANSWER not in text:
        raise RuntimeError(f"{answer.status}: {text[:200]}")
