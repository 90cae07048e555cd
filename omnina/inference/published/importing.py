"""A published checkpoint, or any Llama with an OmniNA tokenizer, as a folder of this project's layout.

    imported = import_checkpoint(Path("OmniNA-220m"), Path("output/omnina-330m"), "XLS/OmniNA-220m")

The weights are the same to the bit; what is changed is listed in ``imported.changes`` and in the folder's
``import.json``. The folder appears whole or not at all.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from sentencepiece import SentencePieceProcessor
from torch import Tensor
from transformers import AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

from omnina.card.model_card import write_model_card
from omnina.checkpoints.contents import TOKENIZER_KEY, check_checkpoint, checkpoint_config
from omnina.checkpoints.manifest import write_manifest
from omnina.errors import UserError
from omnina.files.durable import whole_folder, write_json
from omnina.files.new_file import check_new_file
from omnina.files.output_links import refuse_links_out
from omnina.inference.published.sentencepiece_model import sentencepiece_model
from omnina.inference.published.texts import (
    PUBLISHED_IDS,
    PUBLISHED_LENGTH,
    PUBLISHED_TOKENS,
    comparison_texts,
)
from omnina.inference.published.weights import of_llama, read_weights, weight_files
from omnina.inference.questions import QUESTIONS_FILE, load_questions, save_questions
from omnina.model import OmniNAForCausalLM
from omnina.progress import no_library_bars
from omnina.special_tokens import BOS_ID, EOS_ID
from omnina.tables.digests import file_digest
from omnina.tokenizer import load_tokenizer, save_tokenizer, vocabulary_digest

IMPORT_FILE = "import.json"
SENTENCEPIECE_FILE = "tokenizer.model"
PUBLISHED_SIZES = {
    66_332_160: "XLS/OmniNA-66m, the 66M",
    334_007_296: "XLS/OmniNA-220m, the 330M of the article: its name says 220m, its weights are these",
    1_741_789_184: "XLS/OmniNA-1.7B, the 1.7B",
}


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Attributes:
        source: what the user named.
        parameters: numbers in the weights.
        files: sha256 of each file that was read, by name.
        changes: sentences on what differs from the source.
        notes: sentences on what to know.
    """

    source: str
    parameters: int
    files: dict[str, str]
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_output(folder: Path) -> None:
    """UserError if nothing can be written there: before gigabytes are fetched."""
    check_new_file(folder, "folder")
    refuse_links_out(folder)


def import_checkpoint(source: Path, output: Path, name: str) -> Imported:
    """Read a checkpoint of the published layout and write ``output``.

    Args:
        source: folder with config.json, weights (a pickle or safetensors), tokenizer.json, added_tokens.json.
        output: must not exist.
        name: of the source, for the record.

    Raises UserError for files that are missing or damaged, that do not belong together, or of a model that
    would compute something else.
    """
    check_output(output)
    if not (source / "config.json").is_file():
        raise UserError(f"{source}: there is no config.json in it; give the folder of a whole checkpoint.")
    config, tokenizer = checkpoint_config(source), load_tokenizer(source)
    _check_biases(source, config)
    _check_vocabulary(source, config, tokenizer)
    questions = load_questions(source)
    files = weight_files(source)
    weights, buffers = of_llama(read_weights(files), config, source)
    parameters = sum(tensor.numel() for tensor in weights.values())
    imported = Imported(name, parameters, _digests(source, files))
    _tell_weights(imported, files, weights, buffers)
    _mend_config(imported, config, tokenizer, weights)
    with whole_folder(output) as aside, no_library_bars():
        _model(config, weights).save_pretrained(aside)
        save_tokenizer(tokenizer, aside)
        _save_sentencepiece(imported, tokenizer, aside)
        _tell_ids(imported, tokenizer, source)
        if questions.by_text:
            save_questions(questions, aside)
            imported.notes.append(f"{QUESTIONS_FILE}: {len(questions.by_text)} questions, as they are")
        write_json(aside / IMPORT_FILE, asdict(imported))
        _check_written(aside, tokenizer)
        write_manifest(aside)
        write_model_card(aside, f"OmniNA, {output.name}", parameters, imported=asdict(imported))
    return imported


def _check_biases(source: Path, config: LlamaConfig) -> None:
    for name in ("attention_bias", "mlp_bias"):
        if getattr(config, name):
            raise UserError(f"{source}/config.json: {name} is true; a Llama without biases is needed.")


def _check_vocabulary(source: Path, config: LlamaConfig, tokenizer: PreTrainedTokenizerFast) -> None:
    if len(tokenizer) != config.vocab_size:
        raise UserError(
            f"{source}: the tokenizer has {len(tokenizer)} tokens, but config.json says vocab_size "
            f"{config.vocab_size}; the files belong to different models: fetch the checkpoint again."
        )


def _digests(source: Path, weights: list[Path]) -> dict[str, str]:
    names = ("config.json", "tokenizer.json", "added_tokens.json", QUESTIONS_FILE)
    read = [*(source / name for name in names if (source / name).is_file()), *weights]
    return {path.name: file_digest(path) for path in read}


def _tell_weights(imported: Imported, files: list[Path], weights: dict[str, Tensor], buffers: int) -> None:
    kinds = ", ".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in weights.values()}))
    named = ", ".join(path.name for path in files)
    imported.changes.append(f"weights: {named} -> model.safetensors, {kinds}, the same numbers")
    if buffers:
        imported.changes.append(
            f"weights: {buffers} buffers rotary_emb.inv_freq left out; the model computes them (same values)"
        )
    if imported.parameters in PUBLISHED_SIZES:
        imported.notes.append(f"size of {PUBLISHED_SIZES[imported.parameters]}")


def _mend_config(
    imported: Imported,
    config: LlamaConfig,
    tokenizer: PreTrainedTokenizerFast,
    weights: dict[str, Tensor],
) -> None:
    wanted = {"bos_token_id": BOS_ID, "eos_token_id": EOS_ID, "pad_token_id": tokenizer.pad_token_id}
    for key, value in wanted.items():
        before = getattr(config, key)
        if before != value:
            imported.changes.append(
                f"config.json: {key} {before} -> {value} ({tokenizer.convert_ids_to_tokens(value)})"
            )
            setattr(config, key, value)
    config.dtype = weights["model.embed_tokens.weight"].dtype
    setattr(config, TOKENIZER_KEY, vocabulary_digest(tokenizer))
    rope = config.rope_parameters["rope_theta"]
    imported.changes.append(
        f"config.json: rope_theta {rope:g}, head_dim {config.head_dim} and {TOKENIZER_KEY} written out"
    )


def _model(config: LlamaConfig, weights: dict[str, Tensor]) -> OmniNAForCausalLM:
    """The model around the tensors as they are, without a second copy of them."""
    with torch.device("meta"):
        model = OmniNAForCausalLM(config)
    model.load_state_dict(weights, strict=not config.tie_word_embeddings, assign=True)
    model.tie_weights()
    return model


def _save_sentencepiece(imported: Imported, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """The source's own if it gives the tokenizer's ids, else one made again if that does."""
    path = folder / SENTENCEPIECE_FILE
    if path.is_file() and _gives_its_ids(path.read_bytes(), tokenizer):
        return
    path.unlink(missing_ok=True)
    try:
        model = sentencepiece_model(tokenizer.backend_tokenizer)
    except ValueError as reason:
        imported.notes.append(f"no {SENTENCEPIECE_FILE}: {reason}; llama.cpp cannot read this tokenizer")
        return
    if not _gives_its_ids(model, tokenizer):
        imported.notes.append(
            f"no {SENTENCEPIECE_FILE}: SentencePiece would give other ids, as llama.cpp would"
        )
        return
    path.write_bytes(model)
    imported.changes.append(f"tokenizer: {SENTENCEPIECE_FILE} made again from tokenizer.json (for llama.cpp)")


def _gives_its_ids(model: bytes, tokenizer: PreTrainedTokenizerFast) -> bool:
    try:
        processor = SentencePieceProcessor(model_proto=model)
    except RuntimeError:  # not a SentencePiece model
        return False
    return all(
        [BOS_ID, *processor.encode(text)] == tokenizer.encode(text, split_special_tokens=True)
        for text in comparison_texts()
    )


def _tell_ids(imported: Imported, tokenizer: PreTrainedTokenizerFast, source: Path) -> None:
    if not (source / "tokenizer_config.json").is_file():
        imported.changes.append(
            f"tokenizer: [PAD] = {tokenizer.pad_token_id} named as its padding, left padding, chat template; "
            "the ids are as before"
        )
    if len(tokenizer) != PUBLISHED_TOKENS:
        return
    same = all(tokenizer.encode(text) == ids for text, ids in PUBLISHED_IDS.items())
    imported.notes.append(
        f"the {len(PUBLISHED_IDS)} known texts give the published tokenizer's ids"
        if same
        else "this is not the published tokenizer: known texts give other ids than its"
    )
    if same:
        imported.notes.append(
            f"to train on as they were, on at most {PUBLISHED_LENGTH} tokens: max_length: {PUBLISHED_LENGTH}"
        )


def _check_written(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """The folder as others read it: whole weights, and the ids that the source gave."""
    check_checkpoint(folder)
    read = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    for text in _all_texts():
        assert read.encode(text) == tokenizer.encode(text), f"saved, the tokenizer changed: {text!r}"


def _all_texts() -> Iterator[str]:
    yield from PUBLISHED_IDS
    yield from comparison_texts()
