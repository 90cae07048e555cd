import gzip
import io
import sys

import pytest
from Bio.bgzf import BgzfWriter

from omnina.corpus.readers.streams import numbered_lines, opened_bytes, source_name
from omnina.errors import UserError

LINES = [(1, "ab\n"), (2, "cd\n")]


def read(path) -> bytes:
    with opened_bytes(path) as stream:
        return stream.read()


@pytest.mark.parametrize("text", ["ab\ncd\n", "ab\r\ncd\r\n", "ab\rcd\r", "ab\rcd\r\n"])
@pytest.mark.parametrize("name", ["records.txt", "records.txt.gz", "records.txt.bgz"])
def test_line_ends_of_all_systems_read_alike(record_file, text, name):
    assert list(numbered_lines(record_file(text, name))) == LINES


def test_gzip_of_several_members_is_one_text(tmp_path):
    path = tmp_path / "records.gz"
    path.write_bytes(gzip.compress(b"ab\n") + gzip.compress(b"cd\n"))
    assert list(numbered_lines(path)) == LINES


def test_zstandard_frames_are_one_text_and_one_cut_short_is_an_error(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "records.zst"
    frames = zstandard.compress(b"ab\n") + zstandard.compress(b"cd\n" * 100_000)
    path.write_bytes(frames)
    assert read(path) == b"ab\n" + b"cd\n" * 100_000
    for damaged in (frames[:-5], frames[:4], b"ab" + frames):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"records\.zst: not a whole compressed file .* fetch"):
            read(path)


def test_zstandard_without_its_package_names_the_remedy(record_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UserError, match=r"pip install -r requirements-corpus\.txt"):
        read(record_file("ab", "records.zst"))


def test_gzip_cut_anywhere_is_an_error(record_file):
    path = record_file("ACGTTGCA\n" * 50, "records.gz")
    whole = path.read_bytes()
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(UserError, match=r"records\.gz: not a whole compressed file"):
            read(path)


def test_block_gzip_cut_between_two_blocks_is_an_error(tmp_path):
    path = tmp_path / "records.gz"
    with BgzfWriter(str(path)) as writer:
        writer.write(b"ACGT\n")
    assert read(path) == b"ACGT\n"
    path.write_bytes(path.read_bytes()[:-28])  # the end mark's bytes; what is left is whole gzip
    assert gzip.decompress(path.read_bytes()) == b"ACGT\n"
    with pytest.raises(UserError, match="without its end mark"):
        read(path)


@pytest.mark.parametrize("name", ["records.fa", "records.fa.gz"])
def test_empty_file_is_an_error(record_file, name):
    with pytest.raises(UserError, match=f"{name}: the file is empty; fetch"):
        read(record_file("", name))


def test_absent_file_and_one_that_is_not_what_its_name_says_are_errors(record_file, tmp_path):
    with pytest.raises(UserError, match=r"none\.fa: there is no such record file"):
        read(tmp_path / "none.fa")
    plain = tmp_path / "plain.gz"
    plain.write_bytes(b">a\nACGT\n")
    with pytest.raises(UserError, match=r"plain\.gz: not a whole compressed file"):
        read(plain)
    with pytest.raises(UserError, match=r"zipped\.gb: byte 0x8b after line 0 .*must end in \.gz"):
        list(numbered_lines(record_file(gzip.compress(b"ab"), "zipped.gb")))


def test_byte_that_is_not_ascii_is_an_error_with_file_and_remedy(record_file):
    with pytest.raises(UserError, match=r"r\.gb: byte 0xc3 after line \d+ is not ASCII text; .*iconv"):
        list(numbered_lines(record_file("ab\ncé\n".encode(), "r.gb")))


def test_stdin_is_read_and_left_open(monkeypatch):
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"ab\r\ncd\n")))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert list(numbered_lines("-")) == LINES
    assert not stdin.buffer.closed
    assert source_name("-") == "stdin"
