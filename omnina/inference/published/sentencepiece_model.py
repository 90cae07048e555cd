"""``tokenizer.model`` made again from ``tokenizer.json``, for programs that read SentencePiece alone.

A SentencePiece BPE model joins the pair whose piece has the best score; the fast tokenizer made from it
joins the pair that stands first in a list. Pieces are numbered in the order in which they were learned, so
the scores are the numbers, negated, and the list of pairs follows from the pieces: the two give the same
ids if, and only if, the list in the file is the one that follows.
"""

import json

from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec
from tokenizers import Tokenizer

from omnina.special_tokens import BOS_ID, BOS_TOKEN, EOS_ID, EOS_TOKEN, PAD_TOKEN, UNK_ID, UNK_TOKEN
from omnina.tokenizer import SPACE, has_dummy_prefix, merges_of

PIECE = ModelProto.SentencePiece
BYTES = {f"<0x{number:02X}>" for number in range(256)}


def sentencepiece_model(backend: Tokenizer) -> bytes:
    """A serialised SentencePiece model with the ids of a fast tokenizer.

    Raises ValueError, saying why, if there is none.
    """
    definition = json.loads(backend.to_str())
    _check_surroundings(definition)
    vocabulary = definition["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    if [vocabulary[piece] for piece in pieces] != list(range(len(pieces))):
        raise ValueError("its pieces are not numbered from 0 without gaps")
    model = _model(pieces, dummy_prefix=has_dummy_prefix(backend))
    _check_merges(definition["model"]["merges"], model, vocabulary)
    return model


def _check_surroundings(definition: dict) -> None:
    """SentencePiece can say what is done to a text before pieces are sought, but only this much."""
    if definition["pre_tokenizer"] is not None:
        raise ValueError("it cuts texts before it seeks pieces (pre_tokenizer)")
    normaliser = definition["normalizer"] or {"type": "none"}
    steps = normaliser["normalizers"] if normaliser["type"] == "Sequence" else [normaliser]
    for step in steps:
        prepends = step["type"] == "Prepend" and step["prepend"] == SPACE
        replaces = step["type"] == "Replace" and step["pattern"] == {"String": " "}
        if not prepends and not (replaces and step["content"] == SPACE):
            raise ValueError(f"it changes texts in a way that SentencePiece does not ({step['type']})")


def _model(pieces: list[str], *, dummy_prefix: bool) -> bytes:
    model = ModelProto()
    special = dict.fromkeys((BOS_TOKEN, EOS_TOKEN, PAD_TOKEN), PIECE.CONTROL) | {UNK_TOKEN: PIECE.UNKNOWN}
    for number, piece in enumerate(pieces):
        kind = special.get(piece, PIECE.BYTE if piece in BYTES else PIECE.NORMAL)
        score = -float(number) if kind == PIECE.NORMAL else 0.0
        model.pieces.add(piece=piece, score=score, type=kind)
    trainer, normaliser = model.trainer_spec, model.normalizer_spec
    trainer.model_type, trainer.vocab_size = TrainerSpec.BPE, len(pieces)
    trainer.unk_id, trainer.bos_id, trainer.eos_id, trainer.pad_id = UNK_ID, BOS_ID, EOS_ID, -1
    trainer.byte_fallback = set(pieces) >= BYTES
    normaliser.name, normaliser.add_dummy_prefix = "identity", dummy_prefix
    normaliser.remove_extra_whitespaces = False
    return model.SerializeToString()


def _check_merges(saved: list[list[str]], model: bytes, vocabulary: dict[str, int]) -> None:
    """The same pairs for each piece, and the pieces in the order of their numbers."""
    try:
        derived = merges_of(SentencePieceProcessor(model_proto=model))
    except RuntimeError as error:
        raise ValueError(f"SentencePiece does not take its pieces ({error})") from error
    if {tuple(pair) for pair in saved} != set(derived):
        raise ValueError("its list of merges is not the one that its pieces give")
    order = [vocabulary["".join(pair)] for pair in saved]
    if order != sorted(order):
        raise ValueError("its merges are not in the order of its pieces")
