"""Load, convert and save tokenizers: ours and the published ones.

A tokenizer is a SentencePiece BPE model over DNA and English, carried as a Hugging Face fast tokenizer
that gives SentencePiece's own ids. A folder of ours holds

    tokenizer.model         the SentencePiece model (read by llama.cpp's converter)
    tokenizer.json          the same as a fast tokenizer, with the special tokens
    tokenizer_config.json   their names; the class that every transformers version knows
    added_tokens.json       {"[PAD]": number of pieces}
    chat_template.jinja     the prompts

and a folder of the published layout only ``tokenizer.json`` and ``added_tokens.json``. How ours is made:
``omnina/vocabulary/training.py``.
"""

import hashlib
import json
import shutil
from pathlib import Path

from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from omnina.errors import UserError
from omnina.files.json_file import read_object
from omnina.prompt import chat_template
from omnina.special_tokens import BOS_ID, BOS_TOKEN, EOS_ID, EOS_TOKEN, PAD_TOKEN, SPACE, UNK_ID, UNK_TOKEN

TRAIN_COMMAND = "python scripts/train_tokenizer.py --input YOUR.csv --output {folder} --vocab_size N"


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerFast:
    """The tokenizer in a folder of our own or of the published layout, the prompts as its chat template.

    BOS is added in front of a text, EOS is not. Text from a cell must be encoded with
    ``split_special_tokens=True``, or a ``</s>`` in it becomes the end token.

    Raises UserError if the folder holds no tokenizer (naming the command that trains one), or one with
    other special tokens than OmniNA's.
    """
    folder = Path(folder)
    backend = _read_backend(folder)
    _add_published_tokens(backend, folder)
    _check_special_ids(backend, folder)
    return _fast(backend, str(folder))  # where save_tokenizer finds tokenizer.model


def copied_with(tokenizer: PreTrainedTokenizerFast, backend: Tokenizer) -> PreTrainedTokenizerFast:
    """The same special tokens and prompts over other rules; no ``tokenizer.model`` has those."""
    assert backend.get_vocab_size() == len(tokenizer)
    return _fast(backend, "")


def _fast(backend: Tokenizer, source: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        name_or_path=source,
        unk_token=UNK_TOKEN,
        bos_token=BOS_TOKEN,
        eos_token=EOS_TOKEN,
        pad_token=PAD_TOKEN,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=chat_template(),
    )


def vocabulary_digest(tokenizer: PreTrainedTokenizerFast) -> str:
    """sha256 over every piece and its id: which tokenizer a model was trained with."""
    pieces = sorted(tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps(pieces).encode()).hexdigest()


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: str | Path) -> None:
    """Write a tokenizer so that AutoTokenizer, vLLM and llama.cpp's converter read the same ids.

    ``tokenizer.model`` is copied from the folder that the tokenizer was loaded from, if that has one
    (the published layout has none). The files depend on the tokenizer alone, not on how it was used.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()  # a padded batch would otherwise leave its length in the file
    backend.no_truncation()
    backend.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", _configuration(tokenizer))
    write_json(folder / "added_tokens.json", {PAD_TOKEN: tokenizer.pad_token_id})
    (folder / "chat_template.jinja").write_text(chat_template(), encoding="utf-8")
    if tokenizer.name_or_path:
        _copy_model(Path(tokenizer.name_or_path), folder)


def to_fast_tokenizer(serialised_model: bytes) -> Tokenizer:
    """A fast tokenizer with the ids of a SentencePiece BPE model, and ``[PAD]`` after its last piece.

    The model must have been trained with identity normalisation, without dummy prefix and with byte
    fallback, as ``train_sentencepiece`` does.
    """
    processor = SentencePieceProcessor(model_proto=serialised_model)
    vocabulary = {processor.id_to_piece(i): i for i in range(processor.get_piece_size())}
    model = models.BPE(
        vocabulary, merges_of(processor), unk_token=UNK_TOKEN, fuse_unk=True, byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS_TOKEN} $A",
        pair=f"{BOS_TOKEN} $A {BOS_TOKEN}:1 $B:1",
        special_tokens=[(BOS_TOKEN, BOS_ID)],
    )
    tokenizer.add_special_tokens([_special(name) for name in (UNK_TOKEN, BOS_TOKEN, EOS_TOKEN, PAD_TOKEN)])
    return tokenizer


def merges_of(processor: SentencePieceProcessor) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a piece, in the order in which SentencePiece learned them.

    Ordinary pieces only: with "<" and "s>" among them, text must not merge to the token BOS.
    """
    special = (processor.is_control, processor.is_byte, processor.is_unknown)
    ids = (i for i in range(processor.get_piece_size()) if not any(test(i) for test in special))
    ranks = {processor.id_to_piece(i): i for i in ids}
    halves = ((rank, cut, piece) for piece, rank in ranks.items() for cut in range(1, len(piece)))
    return [
        (piece[:cut], piece[cut:])
        for _, cut, piece in sorted(halves)
        if piece[:cut] in ranks and piece[cut:] in ranks
    ]


def _special(name: str) -> AddedToken:
    # normalized=False: a normaliser that puts U+2581 in front must not touch the token's own name
    return AddedToken(name, special=True, normalized=False)


def _read_backend(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        missing = "there is no tokenizer.json in this folder" if folder.is_dir() else "no such folder"
        raise UserError(
            f"{folder}: {missing}. Train a tokenizer first:\n    {TRAIN_COMMAND.format(folder=folder)}"
        )
    definition = read_object(path)
    try:
        kind = definition["model"]["type"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a fast tokenizer's file; copy it again, or train one.") from error
    if kind != "BPE":
        raise UserError(f"{path}: a {kind} tokenizer; OmniNA's are BPE.")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise UserError(f"{path}: not a whole tokenizer ({error}); copy it again, or train one.") from error


def _add_published_tokens(backend: Tokenizer, folder: Path) -> None:
    """What stands in added_tokens.json only becomes known to the tokenizer, in the order of the ids."""
    path = folder / "added_tokens.json"
    added = read_object(path) if path.is_file() else {}
    if not all(isinstance(number, int) for number in added.values()):
        raise UserError(f"{path}: a token's id is no number; copy the file again.")
    for name, number in sorted(added.items(), key=lambda item: item[1]):
        backend.add_special_tokens([_special(name)])
        found = backend.token_to_id(name)
        if found != number:
            raise UserError(
                f"{path}: {name} should be {number}, but {folder / 'tokenizer.json'} makes it {found}; "
                "the two files belong to different tokenizers."
            )


def _check_special_ids(backend: Tokenizer, folder: Path) -> None:
    for name, number in ((UNK_TOKEN, UNK_ID), (BOS_TOKEN, BOS_ID), (EOS_TOKEN, EOS_ID)):
        found = backend.token_to_id(name)
        if found != number:
            raise UserError(f"{folder}: not an OmniNA tokenizer: {name} has the id {found}, not {number}.")
    if backend.token_to_id(PAD_TOKEN) is None:
        raise UserError(f"{folder}: {PAD_TOKEN} is in neither tokenizer.json nor added_tokens.json.")


def _configuration(tokenizer: PreTrainedTokenizerFast) -> dict:
    """tokenizer_config.json, written by hand: the library's own names a class that version 4 has not."""
    special_ids = [UNK_ID, BOS_ID, EOS_ID, tokenizer.pad_token_id]
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",  # LlamaTokenizer would give other ids
        "unk_token": UNK_TOKEN,
        "bos_token": BOS_TOKEN,
        "eos_token": EOS_TOKEN,
        "pad_token": PAD_TOKEN,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": has_dummy_prefix(tokenizer.backend_tokenizer),  # for llama.cpp
        "added_tokens_decoder": {
            str(number): {"content": tokenizer.convert_ids_to_tokens(number), **flags}
            for number in special_ids
        },
    }


def has_dummy_prefix(backend: Tokenizer) -> bool:
    """Whether a space is put in front of every text before it is cut into pieces."""
    return backend.normalizer is not None and backend.normalizer.normalize_str("A") == f"{SPACE}A"


def write_json(path: Path, content: dict) -> None:
    """Write ``content`` indented, in UTF-8, its keys in their order."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _copy_model(source: Path, folder: Path) -> None:
    model = source / "tokenizer.model"
    if model.is_file() and source.resolve() != folder.resolve():
        shutil.copyfile(model, folder / "tokenizer.model")
