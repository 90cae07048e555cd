"""A server with a small checkpoint."""

from collections.abc import Iterator

import pytest
from served import serving

from omnina.inference.answer import Answerer
from omnina.serving.app import Limits


@pytest.fixture(scope="session")
def answerer(checkpoint) -> Answerer:
    return Answerer(checkpoint)


@pytest.fixture(scope="session")
def address(answerer) -> Iterator[str]:
    with serving(answerer, Limits()) as found:
        yield found
