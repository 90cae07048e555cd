"""The fast way to encode gives the tokenizer's own ids and places, and is taken where that is sure only."""

import csv
import random
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tables import random_dna
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT
from omnina.text_encoding import LibraryEncoder, MergeRankEncoder, fastest_encoder
from omnina.tokenizer import SPACE

DATA = Path(__file__).parents[1] / "data"
SPECIAL = ["<unk>", "<s>", "</s>"]


def made(pieces: list[str], pairs: list[tuple[str, str]], prefix: bool = False, fallback: bool = True):
    """A tokenizer as ``PromptEncoder`` uses them, of these pieces and pairs."""
    vocabulary = {piece: number for number, piece in enumerate([*SPECIAL, *pieces])}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=fallback)
    )
    replace = normalizers.Replace(" ", SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), replace]) if prefix else replace
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in SPECIAL])
    tokenizer.encode_special_tokens = True
    return tokenizer


def all_pairs(pieces: list[str], by_ids: bool) -> list[tuple[str, str]]:
    """In the order of the pieces; those of one piece by where they cut it, or by the halves' ids."""
    places = {piece: place for place, piece in enumerate(pieces)}
    pairs = [
        (
            places[piece],
            (places[piece[:cut]], places[piece[cut:]]) if by_ids else cut,
            piece[:cut],
            piece[cut:],
        )
        for piece in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in places and piece[cut:] in places
    ]
    return [(left, right) for *_, left, right in sorted(pairs)]


@pytest.fixture(scope="module")
def committed() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(DATA / "tokenizer" / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    tokenizer.post_processor = None
    return tokenizer


def assert_same(tokenizer: Tokenizer, texts: list[str]) -> None:
    fast = MergeRankEncoder.of(tokenizer)
    assert fast is not None
    for text, ours, library in zip(
        texts, fast.encode(texts), LibraryEncoder(tokenizer).encode(texts), strict=True
    ):
        assert ours.ids.tolist() == library.ids.tolist(), text
        # the first character shares its place with the dummy prefix; no base of a prompt stands there
        bases = [place for place, letter in enumerate(text) if letter in "ACGT" and place]
        if bases:
            first, last = bases[0], bases[-1]
            for start, end in ((first, first + 1), (first, last + 1), (last, last + 1)):
                assert ours.span(start, end) == library.span(start, end), (text, start, end)
            token, _ = library.span(last, last + 1)
            assert ours.start(token) == library.start(token), text
            begin, stop = library.span(first, last + 1)
            assert ours.starts(begin, stop) == library.starts(begin, stop), text
            assert library.starts(begin, stop)[token - begin] == library.start(token), text


@pytest.mark.parametrize("table", sorted(DATA.glob("*_example.csv")), ids=lambda path: path.stem)
def test_ids_on_the_committed_tables(committed, table):
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    prompt = FINETUNE_PROMPT if "question" in rows[0] else PRETRAIN_PROMPT
    assert_same(committed, [prompt.render(row["sequence"][:3000], row.get("question", "")) for row in rows])
    assert_same(committed, sorted({row["response"] for row in rows}))


@settings(deadline=None, max_examples=200)
@given(text=st.text(st.sampled_from("ACGTN acgt</s>:#\n\t\x00é▁[PAD]Response"), max_size=80))
def test_ids_on_any_text(committed, text):
    assert_same(committed, [text])


@settings(deadline=None, max_examples=100)
@given(bases=st.text("ACGT", min_size=1, max_size=4000))
def test_ids_on_any_sequence(committed, bases):
    assert_same(committed, [PRETRAIN_PROMPT.render(bases)])


def test_ids_of_a_long_sequence(committed):
    assert_same(committed, [PRETRAIN_PROMPT.render(random_dna(300_000))])


def test_few_texts_are_kept(committed, monkeypatch):
    monkeypatch.setattr("omnina.text_encoding.CACHED_CHARACTERS", 1000)
    fast = MergeRankEncoder.of(committed)
    kept = []
    for seed in range(50):
        fast.encode([random_dna(200, seed)])
        kept.append(fast._core.cache_len)
    assert max(kept) == 5
    assert min(kept) == 0


def test_every_piece_alone(committed):
    """As a whole text, splintr would take a piece that joining does not make."""
    assert_same(committed, [piece.replace(SPACE, " ") for piece in committed.get_vocab()])


@settings(deadline=None, max_examples=100)
@given(text=st.text("ACG T</s>é\n", max_size=40))
def test_ids_of_the_published_layout(text):
    """A dummy prefix, byte fallback without bytes."""
    pieces = [SPACE, "A", "C", "G", "T", "<", f"{SPACE}A", "CG", "ACG", "s>"]
    assert_same(made(pieces, all_pairs(pieces, by_ids=True), prefix=True), [text])


@settings(deadline=None, max_examples=300)
@given(choices=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=14), by_ids=st.booleans())
def test_whatever_is_accepted_gives_the_same_ids(choices, by_ids):
    pieces = ["A", "B"]
    for left, right in choices:
        piece = pieces[left % len(pieces)] + pieces[right % len(pieces)]
        if piece not in pieces and len(piece) < 9:
            pieces.append(piece)
    tokenizer = made(pieces, all_pairs(pieces, by_ids))
    fast = MergeRankEncoder.of(tokenizer)
    assume(fast is not None)
    generator = random.Random(str(choices))
    texts = ["".join(generator.choices("AB", k=generator.randint(1, 400))) for _ in range(20)]
    library = tokenizer.encode_batch(texts)
    assert [text.ids.tolist() for text in fast.encode(texts)] == [encoding.ids for encoding in library]


PIECES = ["A", "B", "AB", "ABA", "BA", SPACE]


@pytest.mark.parametrize("change", ["swap", "drop", "pre_tokenizer", "normalizer", "plain token", "dropout"])
def test_other_rules_are_left_to_the_library(change):
    pairs = all_pairs(PIECES, by_ids=False)
    assert MergeRankEncoder.of(made(PIECES, pairs)) is not None
    tokenizer = made(PIECES, pairs[:-1] if change == "drop" else pairs[::-1] if change == "swap" else pairs)
    if change == "pre_tokenizer":
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    elif change == "normalizer":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), tokenizer.normalizer])
    elif change == "plain token":
        tokenizer.add_tokens(["gene"])
    elif change == "dropout":
        tokenizer.model.dropout = 0.5
    assert MergeRankEncoder.of(tokenizer) is None
    assert isinstance(fastest_encoder(tokenizer), LibraryEncoder)


def test_without_splintr_the_library_encodes(monkeypatch):
    tokenizer = made(["a", "b", "ab"], [("a", "b")])
    assert isinstance(fastest_encoder(tokenizer), MergeRankEncoder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert isinstance(fastest_encoder(tokenizer), LibraryEncoder)
