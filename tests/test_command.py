import argparse

import pytest

from omnina.command import positive_number, run_command, share, whole_number


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [(whole_number(1), text) for text in ("0", "-3", "1.5", "many")]
    + [(positive_number, text) for text in ("0", "-1", "nan", "inf", "hot")]
    + [(share, text) for text in ("-0.1", "1.1", "nan")],
)
def test_numbers_that_cannot_work_are_refused_with_what_would(kind, wrong):
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{wrong}' is not a"):
        kind(wrong)


def test_numbers_that_can():
    assert (whole_number(0)("0"), whole_number(1)("8192")) == (0, 8192)
    assert (positive_number("0.7"), share("0"), share("1")) == (0.7, 0, 1)


def test_ctrl_c_ends_without_a_traceback(capsys):
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_command(stopped)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stopped\n"
