"""A server with a small checkpoint."""

from collections.abc import Iterator

import pytest

from omnina.inference.answer import Answerer
from omnina.serving.app import Limits
from omnina.serving.server import running


@pytest.fixture(scope="session")
def answerer(checkpoint) -> Answerer:
    return Answerer(checkpoint)


@pytest.fixture(scope="session")
def address(answerer) -> Iterator[str]:
    with running(answerer, Limits()) as found:
        yield found
