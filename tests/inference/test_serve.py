"""``transformers serve`` on a checkpoint, started and asked over HTTP, answers as the model does."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT

SEQUENCE, QUESTION = "ACGTTGCAACGT", "Which colour?"
START_SECONDS = 240
COMMAND = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve"]


@pytest.fixture
def server(checkpoint, tmp_path) -> Iterator[str]:
    """The address of a server of the checkpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = (tmp_path / "log.txt").open("w+")
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen([*COMMAND, str(checkpoint), *options], stdout=log, stderr=log, env=environment)
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, Path(log.name))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
        log.close()


@pytest.mark.slow
def test_served_model_answers_as_it_does_here(server, checkpoint):
    prompt = FINETUNE_PROMPT.render(SEQUENCE, QUESTION)
    asked = {"model": str(checkpoint), "prompt": prompt, "max_tokens": 8, "temperature": 0}
    served = _post(f"{server}/v1/completions", asked)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    ids = torch.tensor([tokenizer.encode(prompt)])
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    written = model.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
    assert served["usage"]["prompt_tokens"] == ids.shape[1]
    assert served["choices"][0]["text"] == tokenizer.decode(written, skip_special_tokens=True)


@pytest.mark.slow
def test_chat_sends_the_pretraining_prompt_alone(server, checkpoint):
    message = {"role": "user", "content": SEQUENCE, "question": QUESTION}
    asked = {"model": str(checkpoint), "messages": [message], "max_tokens": 2}
    served = _post(f"{server}/v1/chat/completions", asked)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    assert served["usage"]["prompt_tokens"] == len(tokenizer.encode(PRETRAIN_PROMPT.render(SEQUENCE)))


def _wait(address: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


def _post(address: str, content: dict) -> dict:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(content).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)
