import random
import subprocess
import sys

import pytest
from planted import copy_of, dna, reverse_complement

from omnina.corpus.dedup.neighbours import NeighbourIndex
from omnina.corpus.dedup.sketch import signature


def test_absent_datatrove_is_named():
    code = (
        "import sys; sys.modules['datatrove'] = None\n"
        "from omnina.errors import UserError\n"
        "try:\n    import omnina.corpus.dedup.datatrove_minhash\n"
        "except UserError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install -r requirements-corpus.txt" in done.stdout


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    """Unrelated sequences, twins of some on either strand, and a guide too short for k-mers."""
    rng = random.Random(7)
    originals = {f"original-{i}": dna(rng, 1000, gc=rng.choice([0.4, 0.6])) for i in range(30)}
    twins = {f"twin-{i}": copy_of(rng, originals[f"original-{i}"], 0.02) for i in range(12)}
    turned = {f"turned-{i}": reverse_complement(originals[f"original-{i}"]) for i in range(12, 16)}
    names = list(originals | twins | turned | {"guide": dna(rng, 23)})
    sequences = originals | twins | turned | {"guide": dna(rng, 23)}
    rng.shuffle(names)  # so that twins lie in the same task and in different ones
    return {name: sequences[name] for name in names}


@pytest.fixture(scope="module")
def kept(documents, tmp_path_factory) -> set[str]:
    """Names that the stages keep, on two tasks."""
    pytest.importorskip("datatrove")
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.base import PipelineStep

    from omnina.corpus.dedup.datatrove_minhash import near_duplicate_stages

    class Reader(PipelineStep):
        def run(self, data, rank=0, world_size=1):
            for name, bases in list(documents.items())[rank::world_size]:
                yield Document(text=bases, id=name)

    class Writer(PipelineStep):
        def run(self, data, rank=0, world_size=1):
            names = [document.id for document in data]
            (folder / f"{rank}.kept").write_text("\n".join(names))

    folder = tmp_path_factory.mktemp("minhash")
    for stage in near_duplicate_stages(Reader(), Writer(), folder / "work", 2):
        logs = str(folder / "logs" / stage.name)
        LocalPipelineExecutor(stage.pipeline, tasks=stage.tasks, workers=1, logging_dir=logs).run()
    return {name for task in range(2) for name in (folder / f"{task}.kept").read_text().split()}


def test_one_of_each_planted_pair_survives(kept, documents):
    for i in range(30):
        family = {name for name in documents if name.endswith(f"-{i}")}
        assert len(family & kept) == 1, family
    assert "guide" in kept


def test_verdict_is_that_of_the_index_in_memory(kept, documents):
    clusters = NeighbourIndex(documents.items()).clusters()
    assert sorted(clusters[name] for name in kept if name in clusters) == sorted(set(clusters.values()))


def test_pairs_that_share_a_band_by_chance_are_dropped(tmp_path):
    pytest.importorskip("datatrove")
    import numpy as np

    from omnina.corpus.dedup.datatrove_minhash import VerifyPairs, signature_file

    rng = random.Random(3)
    original = dna(rng, 1000)
    rows = [signature(bases) for bases in (original, dna(rng, 1000), copy_of(rng, original, 0.05))]
    path = signature_file(tmp_path, 0)
    path.parent.mkdir()
    np.stack(rows).tofile(path)
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    np.array([[0, 0, 0, 1], [0, 0, 0, 2]], dtype="<u4").tofile(pairs / "00000_00.dups")
    VerifyPairs(tmp_path, pairs, tmp_path / "verified").run()
    assert np.fromfile(tmp_path / "verified" / "00000_00.dups", dtype="<u4").tolist() == [0, 0, 0, 2]
