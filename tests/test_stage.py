"""What decides a run's weights: a folder whose decisive settings differ is refused."""

from types import SimpleNamespace

import pytest

from omnina.config import FinetuneSettings
from omnina.stage import DECISIVE, decisive_settings


def decisive(tmp_path, validation: str = "v1", **changes) -> dict:
    """Of a run of which only what ``changes`` names is told."""
    model = tmp_path / "model.yaml"
    model.write_text("hidden_size: 8\n")
    args = dict.fromkeys(DECISIVE) | {
        "max_steps": 4,
        "load_best_model_at_end": False,
        "metric_for_best_model": "loss",
        "greater_is_better": False,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "save_strategy": "steps",
        "save_steps": 2,
    }
    run = {"model_config": str(model), "tokenizer": "t", "validation_documents": None}
    run |= {"early_stopping_patience": None, "local_heads": False}
    run |= {"tokens_per_step": 4096, "tokens_per_device": 4096}
    for name, value in changes.items():
        (run if name in run else args)[name] = value
    tables = {
        name: SimpleNamespace(data_hash=digest, folder=tmp_path / "cache")
        for name, digest in (("train", "t"), ("validation", validation))
    }
    return decisive_settings(
        SimpleNamespace(
            run=FinetuneSettings(["t.csv"], ["v.csv"], **run), args=SimpleNamespace(**args), **tables
        )
    )


CHANGES = [
    {"metric_for_best_model": "accuracy"},
    {"greater_is_better": True},
    {"eval_steps": 1},
    {"save_steps": 4},
    {"validation_documents": 7},
    {"validation": "v2"},
]


@pytest.mark.parametrize("chosen", [{"load_best_model_at_end": True}, {"early_stopping_patience": 1}])
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_validation_decides_where_it_chooses_the_weights(tmp_path, chosen, change):
    assert decisive(tmp_path, **chosen) != decisive(tmp_path, **(chosen | change))


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_validation_may_change_where_it_only_watches(tmp_path, change):
    assert decisive(tmp_path) == decisive(tmp_path, **change)


def test_choosing_the_best_is_itself_decisive(tmp_path):
    assert decisive(tmp_path) != decisive(tmp_path, load_best_model_at_end=True)


def test_local_heads_decide_and_are_told_of_only_where_they_are_asked_for(tmp_path):
    """So runs that began before the setting was there go on."""
    assert "local_heads" not in decisive(tmp_path)
    assert decisive(tmp_path, local_heads=True)["local_heads"] is True
