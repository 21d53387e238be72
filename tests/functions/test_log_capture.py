"""How output becomes lines, within bounds."""

import pytest

from penstock.functions.host.log_capture import (
    INVOCATION_LOG_BYTES_MAX,
    INVOCATION_LOG_LINES_MAX,
    LINE_BYTES_MAX,
    TAIL_BYTES_MAX,
    LogCapture,
)


class Sink:
    """A capture and the lines that came out of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.capture = LogCapture("orders", lambda _name, line: self.lines.append(line))


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        pytest.param([b"a\nb\n"], ["a", "b"], id="two-lines"),
        pytest.param([b"a", b"b\n"], ["ab"], id="one-line-in-pieces"),
        pytest.param([b"a\n\nb\n"], ["a", "", "b"], id="empty-line"),
        pytest.param([b"a\n", b"b"], ["a", "b"], id="without-an-end"),
        pytest.param([b"\xe2\x98", b"\x83\n"], ["☃"], id="character-in-pieces"),
        pytest.param([b"\xff\n"], ["�"], id="not-utf-8"),
        pytest.param([b"error\rtrace\r\xc2\xa0file\n"], ["error\ntrace\n\xa0file"], id="traceback"),
        pytest.param([b"dos\r\n"], ["dos"], id="dos-line-end"),
    ],
)
def test_output_is_cut_into_lines(chunks: list[bytes], lines: list[str]) -> None:
    sink = Sink()

    for chunk in chunks:
        sink.capture.feed(chunk)
    sink.capture.cut()

    assert sink.lines == lines


def test_endless_line_is_passed_on_in_pieces() -> None:
    sink = Sink()

    sink.capture.feed(b"x" * (2 * LINE_BYTES_MAX + 1))
    sink.capture.cut()

    assert [len(line) for line in sink.lines] == [LINE_BYTES_MAX, LINE_BYTES_MAX, 1]


def test_output_beyond_the_limit_is_counted_once_per_invocation() -> None:
    sink = Sink()

    for _ in range(INVOCATION_LOG_BYTES_MAX // 1024 + 3):
        sink.capture.feed(b"x" * 1023 + b"\n")
    sink.capture.cut()
    sink.capture.feed(b"next\n")

    assert sink.lines[-2:] == [
        (
            "[penstock] 3072 bytes of output dropped: "
            "an invocation has at most 1048576 bytes and 10000 lines"
        ),
        "next",
    ]


def test_lines_beyond_the_limit_are_dropped_and_counted() -> None:
    sink = Sink()

    for _ in range(3):
        sink.capture.feed(b"\n" * (INVOCATION_LOG_LINES_MAX - 1))
    sink.capture.feed(b"no line any more")
    sink.capture.cut()
    sink.capture.feed(b"next\n")

    assert sink.lines[:-2] == [""] * INVOCATION_LOG_LINES_MAX
    assert sink.lines[-2].startswith(f"[penstock] {2 * INVOCATION_LOG_LINES_MAX + 13} bytes")
    assert sink.lines[-1] == "next"


def test_tail_is_the_last_four_kilobytes_with_the_hosts_own_lines() -> None:
    sink = Sink()

    sink.capture.feed(b"x" * 10_000)
    sink.capture.write("END")
    tail = sink.capture.cut()

    assert len(tail) == TAIL_BYTES_MAX
    assert tail.endswith(b"xxx\nEND\n")
    assert sink.capture.cut() == b""
