"""`python -m benchmarks.semantic_cache [provider:model ...]`: what a threshold of the semantic cache lets through.

For each embedding model: of pairs that one answer serves, how many would be hits; of pairs that look alike and differ,
how many would be false hits, by similarity alone and by the cache's other rules as well. And what a comparison costs.
The pairs are few and plain: a route's own questions are what a threshold should be chosen by.
"""

import sys
from time import perf_counter

from rich.console import Console
from rich.table import Table

from tsuji import embedding
from tsuji.gateway.cache.semantic import asked, may_mean_the_same, numpy, similarity, unit

from . import machine
from .semantic_pairs import DIFFERENT, SAME

THRESHOLDS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.92, 0.95, 0.97, 0.99)
_COMPARED = 500


def main() -> int:
    out = Console()
    out.print(machine.describe(("tsuji", "xllamacpp")), highlight=False)
    for model in sys.argv[1:] or ["local:embed"]:
        measure(model, out)
    return 0


def measure(model: str, out: Console) -> None:
    texts = list(dict.fromkeys([text for pair in (*SAME, *DIFFERENT) for text in pair]))
    embedding(model, texts[0])  # a local model is loaded
    began = perf_counter()
    vectors = {text: unit(embedding(model, text).data[0].embedding) for text in texts}
    each = (perf_counter() - began) / len(texts)
    alike = [similarity(vectors[one], vectors[other]) for one, other in SAME]
    questions = {text: asked(b"", text, vector) for text, vector in vectors.items()}
    unlike = [(similarity(vectors[a], vectors[b]), may_mean_the_same(questions[a], questions[b])) for a, b in DIFFERENT]
    made = Table(
        title=f"{model}: {len(SAME)} pairs that mean the same, {len(DIFFERENT)} that do not", title_justify="left"
    )
    for name in ("threshold", "hits", "false hits", "without the rules"):
        made.add_column(name, justify="right")
    for threshold in THRESHOLDS:
        false = [same for found, same in unlike if found >= threshold]
        hits = sum(found >= threshold for found in alike)
        made.add_row(f"{threshold:.2f}", str(hits), str(sum(false)), str(len(false)))
    out.print(made)
    vector = vectors[texts[0]]
    began = perf_counter()
    for _ in range(_COMPARED):
        similarity(vector, vector)
    compared = (perf_counter() - began) / _COMPARED
    out.print(
        f"{'with' if numpy is not None else 'without'} numpy; {len(vector)} dimensions; "
        f"an embedding {each * 1e3:.1f} ms, one comparison {compared * 1e6:.1f} us, "
        f"{_COMPARED} of them {compared * _COMPARED * 1e3:.1f} ms of the worker's loop",
        highlight=False,
    )
    worst = sorted(zip(unlike, DIFFERENT, strict=True), reverse=True)[:5]
    for (found, _), (one, other) in worst:
        out.print(f"  {found:.3f}  {one}  |  {other}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
