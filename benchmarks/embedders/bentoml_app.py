"""BentoML with its adaptive batching: `bentoml serve benchmarks.embedders.bentoml_app:Embedder`."""

import bentoml

from benchmarks.embedders import model


@bentoml.service(workers=1, traffic={"timeout": 60})
class Embedder:
    """Texts to vectors."""

    def __init__(self) -> None:
        model.served_model()

    # Its default latency: with a second it answers 503 while it still learns how long batches take.
    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=60_000)
    def embed(self, texts: list[str]) -> list[str]:
        """A batch that BentoML has gathered."""
        return model.embed(texts)
