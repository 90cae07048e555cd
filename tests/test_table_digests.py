import hashlib
import json
import os
import time

import pytest

from omnina.errors import UserError
from omnina.tables import digests as table_digests
from omnina.tables.digests import digested_tables


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch):
    monkeypatch.setattr(table_digests, "SETTLED_SECONDS", -1)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("sequence,response\nACGT,a\n")
    return path


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refuse(path):
    raise AssertionError(f"{path} was read")


def write_manifest(path, sha256) -> None:
    entry = {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256}
    (path.parent / "manifest.json").write_text(json.dumps({"shards": [entry]}))


def test_a_table_that_did_not_change_is_read_once(path, tmp_path, monkeypatch):
    first = digested_tables([path], tmp_path)
    assert first[0].sha256 == digest(path)
    monkeypatch.setattr(table_digests, "file_digest", refuse)
    assert digested_tables([path], tmp_path) == first


def test_a_change_is_seen_with_the_same_size_and_time(path, tmp_path):
    digested_tables([path], tmp_path)
    times = path.stat().st_mtime_ns
    time.sleep(0.02)  # the clock of a file system ticks a hundred times a second
    path.write_text(path.read_text().replace("ACGT", "TTTT"))
    os.utime(path, ns=(times, times))
    assert digested_tables([path], tmp_path)[0].sha256 == digest(path)


def test_a_young_table_is_read_again(path, tmp_path, monkeypatch):
    monkeypatch.setattr(table_digests, "SETTLED_SECONDS", 60)
    digested_tables([path], tmp_path)
    assert not (tmp_path / table_digests.REMEMBERED_FILE).exists()


def test_a_manifest_spares_the_reading_until_the_table_is_used(path, tmp_path, monkeypatch):
    write_manifest(path, digest(path))
    monkeypatch.setattr(table_digests, "file_digest", refuse)
    [table] = digested_tables([path], tmp_path)
    monkeypatch.undo()
    assert (table.sha256, table.checked) == (digest(path), False)
    table.check()


def test_a_table_that_is_not_what_the_manifest_says_is_refused(path, tmp_path):
    write_manifest(path, "0" * 64)
    [table] = digested_tables([path], tmp_path)
    with pytest.raises(UserError, match=r"not the bytes that .*manifest.json records"):
        table.check()
    (tmp_path / "manifest.json").unlink()
    assert digested_tables([path], tmp_path)[0].sha256 == digest(path)


def test_a_table_changed_after_its_use_is_read_whatever_the_manifest_says(path, tmp_path):
    write_manifest(path, digest(path))
    digested_tables([path], tmp_path)
    time.sleep(0.02)
    path.write_text(path.read_text().replace("ACGT", "TTTT"))
    [table] = digested_tables([path], tmp_path)
    assert (table.sha256, table.checked) == (digest(path), True)


@pytest.mark.parametrize("text", ["not json", "[]", '{"shards": [1]}', "{}"])
def test_a_manifest_of_something_else_is_no_manifest(path, tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert digested_tables([path], tmp_path)[0].checked
