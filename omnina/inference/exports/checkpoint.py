"""A checkpoint's folder as other programs read it: transformers, vLLM, llama.cpp's converter."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from omnina.checkpoints.contents import checkpoint_tokenizer
from omnina.errors import UserError
from omnina.files.json_file import read_object
from omnina.inference.exports.agreement import check_agreement, llama_logits, probe_ids
from omnina.model import OmniNAForCausalLM
from omnina.progress import no_library_bars
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT

SENTENCEPIECE_FILE = "tokenizer.model"
# What others need of a run's folder; its checkpoints, optimizer states and logs stay behind.
COPIED = [
    *("model*.safetensors", "model.safetensors.index.json", "config.json", "generation_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "added_tokens.json", SENTENCEPIECE_FILE),
    *("chat_template.jinja", "questions.json", "run.json", "import.json", "README.md"),
]


@dataclass(frozen=True)
class ExportedCheckpoint:
    """A whole checkpoint that is to be exported."""

    folder: Path

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """As training uses it; UserError if the checkpoint is not whole."""
        return checkpoint_tokenizer(self.folder)

    @cached_property
    def model(self) -> OmniNAForCausalLM:
        """This project's model in float32."""
        return OmniNAForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()

    @cached_property
    def probes(self) -> list[Tensor]:
        """(1, T) ids of prompts."""
        return probe_ids(self.tokenizer, self.model.config.max_position_embeddings)

    def check_transformers(self) -> str:
        """UserError unless plain transformers computes the same from it; a sentence on how near."""
        _check_ids(self.folder, self.tokenizer)
        with no_library_bars():
            llama = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=torch.float32, trust_remote_code=False
            )
        if type(llama) is not LlamaForCausalLM:
            raise UserError(f"{self.folder}: transformers makes a {type(llama).__name__} of it, no Llama.")
        logits = llama_logits(llama.eval())
        worst = check_agreement(self.model, self.probes, logits, "transformers", self.folder)
        return f"transformers: same ids; logits agree to {worst:.1e} on {len(self.probes)} prompts"

    def told_readers(self) -> list[str]:
        """What vLLM and llama.cpp's converter find in the folder, or miss."""
        missing = missing_for_vllm(self.folder)
        vllm = f"vLLM: lacks {', '.join(missing)}" if missing else "vLLM: finds all that it reads"
        if (self.folder / SENTENCEPIECE_FILE).is_file():
            return [vllm, f"llama.cpp: finds all that its converter reads{self._without_bytes()}"]
        return [vllm, f"llama.cpp: lacks {SENTENCEPIECE_FILE}; its converter would give other ids"]

    def _without_bytes(self) -> str:
        """llama.cpp ends its process where it would need a byte's piece and finds none."""
        if "<0x0A>" in self.tokenizer.get_vocab():
            return ""
        return (
            "; its vocabulary has no byte pieces: llama.cpp aborts at any character that no piece has, a new "
            "line too"
        )

    def copy(self, output: Path) -> Path:
        """Copy what others need into ``output/transformers``."""
        target = output / "transformers"
        target.mkdir()
        for pattern in COPIED:
            for path in self.folder.glob(pattern):
                shutil.copyfile(path, target / path.name)
        return target


def missing_for_vllm(folder: Path) -> list[str]:
    """What vLLM reads of a Llama and does not find here, in words; nothing if all is there."""
    config, tokenizer = read_object(folder / "config.json"), folder / "tokenizer_config.json"
    found = {
        "architectures: LlamaForCausalLM": config.get("architectures") == ["LlamaForCausalLM"],
        "weights as safetensors": bool(list(folder.glob("model*.safetensors"))),
        "tokenizer.json": (folder / "tokenizer.json").is_file(),
        "tokenizer_class: PreTrainedTokenizerFast": tokenizer.is_file()
        and read_object(tokenizer).get("tokenizer_class") == "PreTrainedTokenizerFast",
        "generation_config.json with eos_token_id": _ends(folder / "generation_config.json"),
        "a chat template": (folder / "chat_template.jinja").is_file(),
    }
    return [name for name, there in found.items() if not there]


def _ends(path: Path) -> bool:
    return path.is_file() and read_object(path).get("eos_token_id") is not None


def _check_ids(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """The ids of plain transformers, of a text and through the chat template, are those of training."""
    read = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    for question, prompt in (("", PRETRAIN_PROMPT), ("Is it?", FINETUNE_PROMPT)):
        text = prompt.render("ACGTTGCANNNACGT", question)
        message = {"role": "user", "content": "ACGTTGCANNNACGT"}
        if question:
            message["question"] = question
        expected = tokenizer.encode(text)
        if expected != read.encode(text) or expected != read.apply_chat_template([message])["input_ids"]:
            raise UserError(
                f"{folder}: plain transformers reads other token ids from it than training used; its "
                "tokenizer files were changed: copy the checkpoint again."
            )
