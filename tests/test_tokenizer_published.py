"""The published layout gives the ids written out here by hand, and is saved as ours; damage is named."""

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, processors
from transformers import AutoTokenizer, LlamaConfig

from omnina.errors import UserError
from omnina.tokenizer import (
    BOS_ID,
    BOS_TOKEN,
    EOS_TOKEN,
    PAD_TOKEN,
    SPACE,
    UNK_TOKEN,
    load_tokenizer,
    save_tokenizer,
)


@pytest.fixture
def published(tmp_path) -> Path:
    """The published layout: a dummy prefix, byte fallback without bytes, [PAD] in a file of its own."""
    pieces = [UNK_TOKEN, BOS_TOKEN, EOS_TOKEN, SPACE, "A", "C", "G", "T", f"{SPACE}A", "CG", "ACG"]
    merges = [(SPACE, "A"), ("C", "G"), ("A", "CG")]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    backend = Tokenizer(
        models.BPE(vocabulary, merges, unk_token=UNK_TOKEN, fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BOS_TOKEN} $A", special_tokens=[(BOS_TOKEN, BOS_ID)]
    )
    backend.add_special_tokens(
        [AddedToken(name, normalized=False) for name in (UNK_TOKEN, BOS_TOKEN, EOS_TOKEN)]
    )
    backend.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "added_tokens.json").write_text(json.dumps({PAD_TOKEN: len(pieces)}))
    return tmp_path


def test_published_layout_by_hand(published):
    tokenizer = load_tokenizer(published)
    assert tokenizer.encode("ACG") == [1, 8, 9]  # ▁A CG: the prefix merges first
    assert tokenizer.encode("AACG") == [1, 8, 10]
    assert tokenizer.encode("CéßA") == [1, 3, 5, 0, 4]  # no byte pieces: unknown, fused
    assert tokenizer.encode("[PAD]A") == [1, 11, 8]
    assert tokenizer.encode("A [PAD]") == [1, 8, 3, 11]
    assert tokenizer.encode("A [PAD]", split_special_tokens=True) == [1, 8, 3, 0, 4, 0]
    assert (tokenizer.pad_token_id, len(tokenizer), tokenizer.padding_side) == (11, 12, "left")
    assert tokenizer.chat_template


def test_published_layout_saved_as_ours(published, tmp_path):
    tokenizer = load_tokenizer(published)
    save_tokenizer(tokenizer, tmp_path / "ours")
    LlamaConfig(vocab_size=len(tokenizer)).save_pretrained(tmp_path / "ours")
    assert not (tmp_path / "ours" / "tokenizer.model").exists()
    configuration = json.loads((tmp_path / "ours" / "tokenizer_config.json").read_text())
    assert configuration["add_prefix_space"] is True
    for again in (load_tokenizer(tmp_path / "ours"), AutoTokenizer.from_pretrained(tmp_path / "ours")):
        for text in ("ACG", "AACG GA", "CéßA", "[PAD]A", "A [PAD]", ""):
            assert again.encode(text) == tokenizer.encode(text)


def test_pad_may_already_stand_in_the_published_file(published):
    before = load_tokenizer(published)
    before.backend_tokenizer.save(str(published / "tokenizer.json"))
    assert load_tokenizer(published).encode("A [PAD]") == before.encode("A [PAD]")
    (published / "added_tokens.json").unlink()
    assert load_tokenizer(published).encode("A [PAD]") == before.encode("A [PAD]")


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_tokenizer_names_the_command(tmp_path, name):
    missing = tmp_path / name
    with pytest.raises(UserError) as caught:
        load_tokenizer(missing)
    command = f"python scripts/train_tokenizer.py --input YOUR.csv --output {missing} --vocab_size N"
    assert str(missing) in str(caught.value) and command in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tokenizer.json", '{"model"', "tokenizer.json: not JSON"),
        ("tokenizer.json", "[]", "tokenizer.json: expected names and values in braces"),
        ("tokenizer.json", '{"model": {"type": "Unigram"}}', "Unigram"),
        ("added_tokens.json", '{"[PAD]": 32000}', r"\[PAD\] should be 32000, but .* makes it 11"),
        ("added_tokens.json", "{}", r"\[PAD\] is in neither"),
        ("added_tokens.json", "{", "added_tokens.json: not JSON"),
    ],
)
def test_a_damaged_tokenizer_is_refused(published, file, content, message):
    (published / file).write_text(content)
    with pytest.raises(UserError, match=message):
        load_tokenizer(published)


def test_another_model_s_tokenizer_is_refused(published):
    file = published / "tokenizer.json"
    definition = json.loads(file.read_text())
    vocabulary = definition["model"]["vocab"]
    vocabulary[UNK_TOKEN], vocabulary[BOS_TOKEN] = vocabulary[BOS_TOKEN], vocabulary[UNK_TOKEN]
    file.write_text(json.dumps(definition))
    with pytest.raises(UserError, match="not an OmniNA tokenizer: <unk> has the id 1, not 0"):
        load_tokenizer(published)
