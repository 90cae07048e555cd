"""Configurations of any text and any values: settings or a UserError."""

from pathlib import Path

import yaml
from broken_bytes import broken_values, files, values
from fuzzing import few_and_many, fuzz
from hypothesis import strategies as st

from omnina.config import FinetuneSettings, PretrainSettings, parse_run
from omnina.corpus.corpus_config import read_corpus_config
from omnina.files.yaml_file import read_yaml
from omnina.model_config import read_model_config

ROOT = Path(__file__).parents[2]
YAML_TOKENS = (
    *(b"&a [*a]", b"*a", b"<<: *a", b"? [1, 2]\n: x", b"!!python/object/apply:os.system ['true']", b"---\n"),
    *(
        b"!!binary aGk=",
        b"!!set {a}",
        b"!x y",
        b"|\n",
        b">-\n ",
        b"%YAML 9.9\n",
        b"key: {",
        b"- ",
        b": ",
        b"#",
    ),
    *(b"1e-5", b".nan", b".inf", b"2026-13-45", b"0o9", b"0x_", b"1:60", b"~", b"yes", b"'", b"[[" * 600),
)
RUN = {
    "train_files": ["a.csv", "b.csv"],
    "validation_files": "c.csv",
    "tokens_per_step": 8192,
    "tokens_per_device": 4096,
    "learning_rate": 3e-4,
    "lr_scheduler_type": "cosine",
    "lr_scheduler_kwargs": {"num_cycles": 0.5},
    "warmup_steps": 0.03,
    "max_steps": 10,
    "eval_steps": 5,
    "save_strategy": "steps",
    "save_steps": 5,
    "report_to": "none",
    "use_cpu": True,
    "train_weights": [1, 2],
    "dropout": 0.1,
    "seed": 1,
}
PRETRAIN = RUN | {"tokenizer": "t", "model_config": "m.yaml", "window": 3000, "min_bases": 200}
FINETUNE = RUN | {"checkpoint": "c", "label_sets": {"Which?": ["a", "b"]}, "lora_rank": 8, "segmentations": 2}
FINETUNE |= {"split_share": 0.1, "resolution": "pieces"}
MODEL = yaml.safe_load((ROOT / "configs" / "model" / "tiny.yaml").read_text())
CORPUS = {
    "sources": [{"path": "r.fna", "format": "fasta", "window": 300, "fields": {"organism": "x"}}],
    "templates": {"annotations": [{"response": "{description} of {organism}."}]},
    "filters": {"min_bases": 20},
    "dedup": {"near": False},
    "output": {"format": "csv"},
    "split": {"by": "accession", "shares": {"train": 0.9, "val": 0.1}, "seed": 0},
    "seed": 0,
    "range_bytes": 1000,
}


@few_and_many(80, 2500)
def test_yaml_text(examples, tmp_path):
    path = tmp_path / "r.yaml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        assert isinstance(read_yaml(path), dict)

    fuzz(examples, yaml.safe_dump(CORPUS).encode(), files(yaml.safe_dump(CORPUS).encode(), YAML_TOKENS), read)


@few_and_many(15, 600)
def test_runs(examples, tmp_path):
    path = tmp_path / "r.yaml"
    kinds = ((PRETRAIN, PretrainSettings), (FINETUNE, FinetuneSettings))
    given = st.one_of(
        *(st.tuples(broken_values(valid), st.just(kind), st.just([])) for valid, kind in kinds),
        *(st.tuples(st.just(valid), st.just(kind), _flags(valid)) for valid, kind in kinds),
    )

    def read(example: tuple) -> None:
        content, kind, flags = example
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        run, _ = parse_run([str(path), *flags, "--output_dir", str(tmp_path / "out")], kind)
        run.data_settings()
        run.training_settings(0)

    fuzz(examples, (PRETRAIN, PretrainSettings, []), given, read)
    read((FINETUNE, FinetuneSettings, []))


def _flags(valid: dict) -> st.SearchStrategy[list[str]]:
    """A command line of known and unknown keys with any text behind them."""
    keys = st.sampled_from([*(f"--{key}" for key in valid), "--", "-x", "--=", "--nope", "x"])
    word = st.text(max_size=12) | st.sampled_from(
        ["nan", "inf", "-1", "1e400", "{", "[1", "true", "0", "9" * 30]
    )
    return st.lists(st.tuples(keys, word).map(list), max_size=3).map(
        lambda pairs: [word for pair in pairs for word in pair]
    )


@few_and_many(20, 600)
def test_architectures(examples, tmp_path):
    path = tmp_path / "m.yaml"

    def read(content: object) -> None:
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        config = read_model_config(str(path), MODEL["vocab_size"], "t")
        assert config.hidden_size > 0

    fuzz(examples, MODEL, broken_values(MODEL), read)


@few_and_many(40, 1500)
def test_corpora(examples, tmp_path):
    for name in ("r.fna", "rRNA16S.gold.fasta.gz", "leptospira_kirschneri_H1.gbk.gz"):
        (tmp_path / name).write_text(">a\nACGT\n")

    def read(content: object) -> None:
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        read_corpus_config(read_yaml(path), tmp_path, (), "c.yaml")

    shipped = yaml.safe_load((ROOT / "configs" / "corpus" / "example.yaml").read_text())
    read(shipped)
    fuzz(examples, CORPUS, broken_values(CORPUS) | broken_values(shipped) | values(), read)
