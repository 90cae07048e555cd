"""Files of embeddings, written as they come: memory does not grow with their number.

``.safetensors``   ``embeddings`` float32, with ``bases`` also ``offsets`` int64; ids and layers as metadata
``.npz``           ``embeddings``, ``ids`` and ``layers``, with ``bases`` also ``offsets``
``.parquet``       a row for each sequence: ``id``, ``layer_N``; with ``bases`` a list of vectors

``embeddings`` is (sequences, layers, H), or (all bases, layers, H), where sequence n has the rows from
``offsets[n]`` to ``offsets[n + 1]``.
"""

import json
import struct
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import safe_open

from omnina.errors import UserError
from omnina.files.new_file import check_new_file

PARTIAL = ".partial"
GROUP_BYTES = 1 << 26  # of vectors in a Parquet file's row group
ALIGNMENT = 8  # bytes; safetensors' headers are filled up with spaces to a multiple


@dataclass(frozen=True)
class Layout:
    """What is known of all embeddings before the first is made.

    Attributes:
        ids: of the sequences.
        layers: their numbers.
        width: H.
        bases: of each sequence, if each base has a vector; else None.
        notes: what made them, as strings.
    """

    ids: Sequence[str]
    layers: Sequence[int]
    width: int
    bases: Sequence[int] | None
    notes: dict[str, str]


def check_output(path: Path) -> None:
    """UserError for a path that exists, or whose name does not say which kind of file it is."""
    if path.suffix not in WRITERS:
        raise UserError(f"{path}: give --output a name that ends in {', '.join(WRITERS)}.")
    check_new_file(path, "--output")


def write_embeddings(path: Path, layout: Layout, embeddings: Iterable[np.ndarray]) -> None:
    """Write one array for each id, (layers, H) or (bases, layers, H); the file is there once it is whole."""
    aside = path.with_name(path.name + PARTIAL)
    WRITERS[path.suffix](aside, layout, embeddings)
    aside.replace(path)


def read_embeddings(path: Path) -> tuple[np.ndarray, list[int]]:
    """(sequences, layers, H) float32 of a file without ``bases``, and the layers' numbers."""
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return archive["embeddings"], archive["layers"].tolist()
    if path.suffix == ".safetensors":
        with safe_open(path, "np") as tensors:
            return tensors.get_tensor("embeddings"), json.loads(tensors.metadata()["layers"])
    table = pq.read_table(path).drop_columns("id")
    layers = [column.combine_chunks().flatten().to_numpy() for column in table.columns]
    stacked = np.stack([layer.reshape(len(table), -1) for layer in layers], axis=1)
    return stacked, [int(name.removeprefix("layer_")) for name in table.column_names]


def _shape(layout: Layout) -> tuple[int, int, int]:
    rows = len(layout.ids) if layout.bases is None else int(sum(layout.bases))
    return rows, len(layout.layers), layout.width


def _offsets(layout: Layout) -> np.ndarray | None:
    """(sequences + 1,) int64."""
    return None if layout.bases is None else np.cumsum([0, *layout.bases], dtype=np.int64)


def _little(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, dtype="<f4").tobytes()


def _write_safetensors(path: Path, layout: Layout, embeddings: Iterable[np.ndarray]) -> None:
    """By the format's description: size of the header, the header as JSON, the tensors' bytes."""
    shape, offsets = _shape(layout), _offsets(layout)
    size = 4 * int(np.prod(shape))
    metadata = layout.notes | {"layers": json.dumps(list(layout.layers)), "ids": json.dumps(list(layout.ids))}
    header: dict = {"__metadata__": metadata}
    header["embeddings"] = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, size]}
    if offsets is not None:
        places = [size, size + offsets.nbytes]
        header["offsets"] = {"dtype": "I64", "shape": [len(offsets)], "data_offsets": places}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for embedding in embeddings:
            stream.write(_little(embedding))
        if offsets is not None:
            stream.write(offsets.astype("<i8").tobytes())


def _write_npz(path: Path, layout: Layout, embeddings: Iterable[np.ndarray]) -> None:
    offsets = _offsets(layout)
    described = {"descr": "<f4", "fortran_order": False, "shape": _shape(layout)}
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("embeddings.npy", "w", force_zip64=True) as stream:
            np.lib.format.write_array_header_2_0(stream, described)
            for embedding in embeddings:
                stream.write(_little(embedding))
        others = {"ids": np.array(layout.ids, dtype=np.str_), "layers": np.array(layout.layers)}
        if offsets is not None:
            others["offsets"] = offsets
        for name, array in others.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def _write_parquet(path: Path, layout: Layout, embeddings: Iterable[np.ndarray]) -> None:
    vector = pa.list_(pa.float32(), layout.width)
    kind = vector if layout.bases is None else pa.list_(vector)
    columns = {"id": pa.string()} | {f"layer_{layer}": kind for layer in layout.layers}
    schema = pa.schema(columns, metadata=layout.notes)
    rows = zip(layout.ids, embeddings, strict=True)
    with pq.ParquetWriter(path, schema) as writer:
        for ids, arrays in _row_groups(rows):
            layers = [_column(arrays, place, layout) for place in range(len(layout.layers))]
            writer.write_batch(pa.record_batch([pa.array(ids, pa.string()), *layers], schema=schema))


def _row_groups(rows: Iterable[tuple[str, np.ndarray]]) -> Iterator[tuple[list[str], list[np.ndarray]]]:
    """Ids and arrays of groups of rows, none of which takes much more than ``GROUP_BYTES``."""
    ids: list[str] = []
    arrays: list[np.ndarray] = []
    for row_id, array in rows:
        ids.append(row_id)
        arrays.append(array)
        if sum(known.nbytes for known in arrays) >= GROUP_BYTES:
            yield ids, arrays
            ids, arrays = [], []
    if ids:
        yield ids, arrays


def _column(arrays: list[np.ndarray], place: int, layout: Layout) -> pa.Array:
    """One layer's vectors of each row, from (layers, H) or (bases, layers, H) of each."""
    of_layer = [array[..., place, :] for array in arrays]
    values = pa.array(np.concatenate(of_layer, axis=None))
    vectors = pa.FixedSizeListArray.from_arrays(values, layout.width)
    if layout.bases is None:
        return vectors
    ends = np.cumsum([0, *map(len, of_layer)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), vectors)


WRITERS = {".safetensors": _write_safetensors, ".npz": _write_npz, ".parquet": _write_parquet}
