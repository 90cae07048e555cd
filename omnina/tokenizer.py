"""Load and save tokenizers: our own and the published ones. The special tokens are named here only.

Both kinds are SentencePiece BPE models over DNA and English, carried as a Hugging Face fast tokenizer.
Ours is made by ``omnina/tokenizer_training.py``; of the published layout only ``tokenizer.json`` and
``added_tokens.json`` exist.
"""

import json
import shutil
from pathlib import Path

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from omnina.errors import UserError
from omnina.prompt import chat_template

UNK_TOKEN, BOS_TOKEN, EOS_TOKEN, PAD_TOKEN = "<unk>", "<s>", "</s>", "[PAD]"
UNK_ID, BOS_ID, EOS_ID = 0, 1, 2
TRAIN_COMMAND = "python scripts/train_tokenizer.py --input YOUR.csv --output {folder} --vocab_size {pieces}"


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder, of our own layout or the published one, with its prompts as template.

    Raises UserError if the folder holds no tokenizer, with the command that trains one.
    """
    folder = Path(folder)
    if not (folder / "tokenizer.json").is_file():
        command = TRAIN_COMMAND.format(folder=folder, pieces=32000)
        raise UserError(f"{folder}: there is no tokenizer.json. Train a tokenizer first:\n  {command}")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        name_or_path=str(folder),
        unk_token=UNK_TOKEN,
        bos_token=BOS_TOKEN,
        eos_token=EOS_TOKEN,
        padding_side="left",
        chat_template=chat_template(),
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_special_tokens({"pad_token": AddedToken(PAD_TOKEN, special=True, normalized=False)})
    _check_ids(tokenizer, folder)
    return tokenizer


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: str | Path) -> None:
    """Write a tokenizer so that AutoTokenizer, vLLM and llama.cpp's converter read it with the same ids.

    The class is written as ``PreTrainedTokenizerFast``: every transformers version knows that name.
    ``tokenizer.model`` goes with it where the tokenizer was loaded from a folder that has one.
    """
    folder = Path(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config.pop("name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    model = Path(tokenizer.name_or_path) / "tokenizer.model"
    if model.is_file() and model.resolve() != (folder / "tokenizer.model").resolve():
        shutil.copyfile(model, folder / "tokenizer.model")


def _check_ids(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    expected = {UNK_TOKEN: UNK_ID, BOS_TOKEN: BOS_ID, EOS_TOKEN: EOS_ID}
    added = folder / "added_tokens.json"
    if added.is_file():
        expected |= json.loads(added.read_text(encoding="utf-8"))
    for token, wanted in expected.items():
        found = tokenizer.convert_tokens_to_ids(token)
        if found != wanted:
            raise UserError(
                f"{folder}: the token {token} has the id {found} instead of {wanted}; "
                "this is not an OmniNA tokenizer."
            )
