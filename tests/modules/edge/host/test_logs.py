import logging
import re
import sys

import pytest

from modules.edge.host.logs import EdgeFormatter

FORM = re.compile(r"<(\d)> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00 \[(\w{3})\] - (.*)")


def line(level: int, text: str, exc_info=None) -> tuple[str, str, str]:
    record = logging.LogRecord("x", level, __file__, 1, text, (), exc_info)
    return FORM.fullmatch(EdgeFormatter().format(record)).groups()


@pytest.mark.parametrize(
    ("level", "severity", "word"),
    [
        (logging.CRITICAL, "0", "FTL"),
        (logging.ERROR, "3", "ERR"),
        (logging.WARNING, "4", "WRN"),
        (logging.INFO, "6", "INF"),
        (logging.DEBUG, "7", "DBG"),
    ],
)
def test_a_line_has_the_form_that_get_module_logs_filters_on(level, severity, word) -> None:
    assert line(level, "said") == (severity, word, "said")


def test_a_text_of_several_lines_and_a_traceback_stay_on_one_line() -> None:
    try:
        raise KeyError("gone")
    except KeyError:
        assert "KeyError: 'gone'" in line(logging.ERROR, "a\nb", sys.exc_info())[2]
    assert line(logging.INFO, "a\nb")[2] == "a | b"
