"""What /metrics says, read by Prometheus' own parser."""

from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.serving import Client, request


class Metrics:
    """`metrics(name, label=value, ...)`: the sum of the samples that have these labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        return sum(s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())

    def labels(self, name: str, label: str) -> set[str]:
        return {s.labels[label] for s in self.samples if s.name == name}


def scrape(port: int, headers: Mapping[str, Any] | None = None) -> Metrics:
    with Client(port) as client:
        client.send(request("/metrics", b"", headers, "GET"))
        answer = client.read()
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/plain")
    return Metrics(answer.body.decode())
