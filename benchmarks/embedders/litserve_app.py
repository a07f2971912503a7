"""LitServe with its dynamic batching: `python -m benchmarks.embedders.litserve_app PORT`."""

import sys
from typing import Any

import litserve

from benchmarks.embedders import model


class Embedder(litserve.LitAPI):
    """Texts to vectors."""

    def setup(self, device: str) -> None:
        model.served_model()

    def decode_request(self, request: dict[str, str]) -> str:
        return request["text"]

    def batch(self, inputs: list[str]) -> list[str]:
        return inputs

    def predict(self, texts: list[str]) -> list[str]:
        return model.embed(texts)

    def unbatch(self, output: list[str]) -> Any:
        return output

    def encode_response(self, output: str) -> dict[str, str]:
        return {"embedding": output}


if __name__ == "__main__":
    server = litserve.LitServer(Embedder(max_batch_size=64, batch_timeout=0.002), accelerator="cpu")
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="error")
