import gzip
import io
import sys

import pytest
from Bio.bgzf import BgzfWriter

from omnina.corpus.readers.streams import is_compressed, not_utf8, numbered_lines, opened_bytes, source_name
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


@pytest.mark.parametrize("name", ["r.gb", "r.gb.GZ", "r.fa.gz"])
def test_compression_is_seen_in_the_file_whatever_its_name(record_file, name):
    path = record_file(gzip.compress(b"ab\ncd\n"), "packed")
    path = path.rename(path.with_name(name))
    assert is_compressed(path)
    assert list(numbered_lines(path)) == LINES
    assert not is_compressed(record_file("ab\n", "plain"))


@pytest.mark.parametrize(
    "start, what",
    [
        ("ab".encode("utf-16"), "UTF-16 text; write it as UTF-8"),
        (b"BZh9", "bzip2"),
        (b"PK\x03\x04", "zip archive"),
    ],
)
def test_other_encodings_and_packings_are_named_with_the_remedy(record_file, start, what):
    with pytest.raises(UserError, match=rf"r\.fa: it is .*{what}"):
        read(record_file(start + b"rest", "r.fa"))


def test_lines_are_utf8_without_mark_and_a_byte_that_is_none_is_found(record_file):
    text = b"\xef\xbb\xbfab\nc\xc3\xa9\n" + b"x\n" * 9000 + b"d\xe9\n"
    lines = dict(numbered_lines(record_file(text, "r.gb")))
    assert (lines[1], lines[2]) == ("ab\n", "cé\n")
    assert {number: found for number, line in lines.items() if (found := not_utf8(line))} == {
        9003: "byte 0xe9 after 'd' is not UTF-8"
    }


def test_packed_stdin_is_unpacked(monkeypatch):
    packed = io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(b"ab\ncd\n"))))
    monkeypatch.setattr(sys, "stdin", packed)
    assert list(numbered_lines("-")) == LINES


def test_stdin_is_read_and_left_open(monkeypatch):
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"ab\r\ncd\n")))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert list(numbered_lines("-")) == LINES
    assert not stdin.buffer.closed
    assert source_name("-") == "stdin"
