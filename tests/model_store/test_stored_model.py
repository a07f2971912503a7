"""A model's files are complete and safe, or the error names the file that is not."""

import json
import struct
from pathlib import Path

import numpy
import pytest

from actors.errors import ModelBroken, ModelRefused
from actors.model_store.stored_model import StoredModel, fingerprint, verify
from tests.model_store.folders import NUMBERS_IN_A_MODEL, write_hub_model, write_model, write_shards, write_weights

TWO_SHARDS = ("model-1-of-2.safetensors", "model-2-of-2.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete model."""
    return write_model(tmp_path / "root" / "model")


def _verify(folder: Path) -> StoredModel:
    return verify("org/name", "main", folder, folder.parent)


def _weights(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def test_a_complete_model_tells_its_numbers_and_bytes(folder: Path) -> None:
    stored = _verify(folder)

    assert stored.parameter_count == NUMBERS_IN_A_MODEL
    assert stored.weights_bytes == (folder / "model.safetensors").stat().st_size
    assert stored.config == {"model_type": "bert"}


@pytest.mark.parametrize(("dtype", "expected"), [("float32", 24), ("float16", 12), ("bfloat16", 12)])
def test_a_models_bytes_depend_on_the_precision(dtype: str, expected: int, folder: Path) -> None:
    assert _verify(folder).bytes_as(dtype) == expected


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int64", "int8", "uint8", "uint16", "uint32", "bool"]
)
def test_numbers_are_counted_whatever_their_width(dtype: str, folder: Path) -> None:
    write_weights(folder / "model.safetensors", first=numpy.zeros(7, dtype), second=numpy.zeros((2, 2), dtype))

    assert _verify(folder).parameter_count == 11


def test_the_numbers_of_all_shards_are_added_up(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "model", dict(zip("ab", TWO_SHARDS, strict=True)), *TWO_SHARDS)

    assert _verify(folder).parameter_count == 2 * NUMBERS_IN_A_MODEL


def test_safetensors_are_preferred_to_pickled_weights_beside_them(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"pickle")

    assert _verify(folder).parameter_count == NUMBERS_IN_A_MODEL


@pytest.mark.parametrize(
    "file", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl", "tf_model.h5"]
)
def test_only_weights_that_can_run_code_are_refused_by_name(file: str, folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / file)

    with pytest.raises(ModelRefused, match=f"org/name: only {file} is there, .*convert it to safetensors"):
        _verify(folder)


def test_a_model_without_weights_is_broken(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    with pytest.raises(ModelBroken, match=r"org/name: model\.safetensors is missing"):
        _verify(folder)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "config.json is missing"),
        (b"{", "config.json cannot be read"),
        (b"", "config.json cannot be read"),
        (b"\xff\xfe", "config.json cannot be read"),
        (b"[]", "config.json is not a JSON object"),
        (b"[" * 200_000, "config.json cannot be read"),
    ],
)
def test_a_config_that_cannot_be_used_is_named(content: bytes | None, complaint: str, folder: Path) -> None:
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_bytes(content)

    with pytest.raises(ModelBroken) as broken:
        _verify(folder)

    assert str(broken.value).startswith(f"org/name: {complaint}")


def test_a_truncated_file_is_told_with_both_sizes(folder: Path) -> None:
    weights = folder / "model.safetensors"
    complete = weights.read_bytes()
    weights.write_bytes(complete[:-5])

    with pytest.raises(ModelBroken, match=f"has {len(complete) - 5} bytes instead of {len(complete)}; copy it again"):
        _verify(folder)


def test_a_file_that_goes_on_after_its_end_is_broken_too(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"\0")

    with pytest.raises(ModelBroken, match="copy it again"):
        _verify(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        b"\x80\x04\x95" + b"pickle" * 100,
        _weights(b"garbage"),
        _weights(b"\xff\xff"),
        _weights(b"[]"),
        _weights(b'{"weight": 1}'),
        _weights(b'{"weight": {}}'),
        _weights(b'{"weight": {"dtype": "F32"}}'),
        _weights(b'{"weight": {"dtype": "F32", "data_offsets": []}}'),
        _weights(b'{"weight": {"dtype": "F32", "data_offsets": ["0", "4"]}}'),
        _weights(b'{"weight": {"dtype": [], "data_offsets": [0, 4]}}', b"1234"),
        _weights(b"[" * 200_000),
    ],
)
def test_what_is_not_safetensors_is_named(content: bytes, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(content)

    with pytest.raises(ModelBroken, match=r"org/name: model\.safetensors is not a readable safetensors file"):
        _verify(folder)


@pytest.mark.parametrize(
    "shard", ["model-2-of-2.safetensors", "../outside.safetensors", "/etc/hostname", "sub/model.safetensors", ""]
)
def test_an_index_that_names_what_is_not_in_the_folder_is_broken(shard: str, tmp_path: Path) -> None:
    write_weights(tmp_path / "outside.safetensors")
    folder = write_shards(tmp_path / "model", {"a": TWO_SHARDS[0], "b": shard}, TWO_SHARDS[0])
    (folder / "sub").mkdir()
    write_weights(folder / "sub" / "model.safetensors")

    with pytest.raises(ModelBroken, match=r"org/name: .* is missing"):
        _verify(folder)


@pytest.mark.parametrize("weight_map", [None, [], "x", {}, {"a": []}, {"a": 1, "b": TWO_SHARDS[0]}])
def test_an_index_that_names_no_files_is_broken(weight_map: object, tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "model", weight_map, TWO_SHARDS[0])

    with pytest.raises(ModelBroken, match="org/name: "):
        _verify(folder)


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "model", dict(zip("ab", TWO_SHARDS, strict=True)), *TWO_SHARDS)
    (folder / TWO_SHARDS[1]).write_bytes((folder / TWO_SHARDS[1]).read_bytes()[:-1])

    with pytest.raises(ModelBroken, match=f"org/name: {TWO_SHARDS[1]} has"):
        _verify(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json", "1_Pooling/config.json"])
def test_a_file_that_links_out_of_the_store_is_refused(file: str, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}", encoding="utf-8")
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).unlink(missing_ok=True)
    (folder / file).symlink_to(secret)

    with pytest.raises(ModelRefused, match=f"{Path(file).name} leads out of the model folder"):
        _verify(folder)


def test_a_link_to_a_folder_cannot_hide_a_link_out_of_the_store(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}", encoding="utf-8")
    hidden = folder.parent / "hidden"
    hidden.mkdir()
    (hidden / "config.json").symlink_to(tmp_path / "secret")

    (folder / "1_Pooling").symlink_to(hidden)

    with pytest.raises(ModelRefused, match="1_Pooling"):
        _verify(folder)


def test_a_link_that_leads_to_itself_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").symlink_to(folder / "tokenizer.json")

    with pytest.raises(ModelRefused, match=r"tokenizer\.json"):
        _verify(folder)


def test_the_hubs_links_to_its_blobs_are_no_links_out_of_the_store(tmp_path: Path) -> None:
    snapshot = write_hub_model(tmp_path, "org/name")

    stored = verify("org/name", "main", snapshot, tmp_path)

    assert stored.parameter_count == NUMBERS_IN_A_MODEL


def test_a_blob_that_was_not_downloaded_yet_is_missing(tmp_path: Path) -> None:
    snapshot = write_hub_model(tmp_path, "org/name")
    (snapshot / "model.safetensors").resolve().unlink()

    with pytest.raises(ModelBroken, match=r"model\.safetensors is missing"):
        verify("org/name", "main", snapshot, tmp_path)


def test_a_fingerprint_stays_while_nothing_changes_and_covers_folders_below(folder: Path) -> None:
    before = fingerprint(folder)
    assert fingerprint(folder) == before

    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({}), encoding="utf-8")

    assert fingerprint(folder) != before
