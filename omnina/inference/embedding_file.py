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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import safe_open

from omnina.errors import UserError

PARTIAL = ".partial"
ROWS_PER_GROUP = 256  # of Parquet
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
    if path.exists():
        raise UserError(f"{path}: this file exists; choose another --output, or remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)


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
        while group := list(islice(rows, ROWS_PER_GROUP)):
            # (layers, H) or (layers, bases, H) of each row
            layers = [np.moveaxis(embedding, -2, 0).tolist() for _, embedding in group]
            arrays = [pa.array([row_id for row_id, _ in group], pa.string())]
            arrays += [pa.array(column, kind) for column in zip(*layers, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


WRITERS = {".safetensors": _write_safetensors, ".npz": _write_npz, ".parquet": _write_parquet}
