"""Mosec with its dynamic batching: `python -m benchmarks.embedders.mosec_app --port PORT`."""

from mosec import Server, Worker

from benchmarks.embedders import model


class Embedder(Worker):
    """Texts to vectors."""

    def __init__(self) -> None:
        super().__init__()
        model.served_model()

    def forward(self, data: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{"embedding": vector} for vector in model.embed([request["text"] for request in data])]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Embedder, max_batch_size=64, max_wait_time=2)
    server.run()
