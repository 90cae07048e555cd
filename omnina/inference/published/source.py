"""Where a published checkpoint comes from: a folder, or a model's name on the Hugging Face Hub."""

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError

from omnina.errors import UserError
from omnina.offline import hub_access

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
FILES = [
    *("config.json", "tokenizer.json", "tokenizer.model", "added_tokens.json", "questions.json"),
    *("pytorch_model*.bin", "pytorch_model.bin.index.json", "model*.safetensors"),
    "model.safetensors.index.json",
]
FETCH_ERRORS = (OSError, EntryNotFoundError, HFValidationError)


def source_folder(name: str, revision: str | None = None) -> Path:
    """The folder of a checkpoint; the hub is asked only for a name that cannot be meant as a folder.

    Args:
        name: a folder, or ``OWNER/NAME``.
        revision: commit, tag or branch on the hub.

    Raises UserError if there is no such folder, or the hub does not give the files.
    """
    folder = Path(name)
    if folder.is_dir():
        if revision:
            raise UserError(f"--revision is of a model on the hub, but {folder} is a folder.")
        return folder
    if folder.exists():
        raise UserError(f"{folder}: this is a file; give the folder that it lies in.")
    if not is_hub_name(name):
        raise UserError(
            f"{folder}: there is no such folder. Give a folder, or OWNER/NAME of a model on the Hugging Face "
            "Hub, as in XLS/OmniNA-220m."
        )
    return _fetched(name, revision)


def is_hub_name(name: str) -> bool:
    """Whether a text reads as ``OWNER/NAME``, and no folder OWNER is here."""
    return HUB_NAME.fullmatch(name) is not None and not Path(name).parent.is_dir()


def _fetched(name: str, revision: str | None) -> Path:
    print(f"Fetching {name} from the Hugging Face Hub (there is no folder of that name).", flush=True)
    with hub_access():
        try:
            return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
        except FETCH_ERRORS as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"{name}: not to be had from the Hugging Face Hub: {reason}\nCheck name and network, or "
                f"fetch it elsewhere with 'hf download {name} --local-dir FOLDER' and give that folder."
            ) from error
