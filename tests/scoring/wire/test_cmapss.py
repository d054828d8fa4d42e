"""C-MAPSS files: what is written comes back, and what is broken is named."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from scoring.errors import CmapssError
from scoring.wire.cmapss import Trajectories, find, read_rul, read_trajectories, write_rul, write_trajectories

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def trajectories(draw):
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    units = np.repeat(np.arange(1, len(lengths) + 1), lengths)
    cycles = np.concatenate([np.arange(1, length + 1) for length in lengths])
    others = draw(npst.arrays(np.float64, (len(units), 24), elements=FINITE))
    return Trajectories(units, cycles, np.column_stack([cycles, others]))


def rows(*numbers):
    """A row for each pair of unit and cycle."""
    return "".join(f"{unit} {cycle} {' '.join(['0.5'] * 24)}  \n" for unit, cycle in numbers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cmapss")


@given(trajectories(), st.sampled_from(["a.txt", "a.txt.gz"]))
def test_what_is_written_is_read_again(folder, written, name):
    write_trajectories(folder / name, written)
    read = read_trajectories(folder / name)
    np.testing.assert_array_equal(read.units, written.units)
    np.testing.assert_array_equal(read.cycles, written.cycles)
    np.testing.assert_array_equal(read.values, written.values)


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_rul_that_is_written_is_read_again(folder, rul):
    write_rul(folder / "RUL.txt.gz", np.array(rul))
    assert read_rul(folder / "RUL.txt.gz").tolist() == rul


def test_the_format_is_nasas(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text(rows((1, 1), (1, 2), (2, 1)))
    read = read_trajectories(path)
    assert (len(read), read.engines, read.lengths.tolist()) == (3, 2, [2, 1])
    write_trajectories(tmp_path / "again.txt", read)
    assert (tmp_path / "again.txt").read_bytes() == path.read_bytes()


def test_equal_rows_make_equal_compressed_files_whenever_they_are_written(tmp_path, monkeypatch):
    read = Trajectories(np.array([1]), np.array([1]), np.ones((1, 25)))
    for name, moment in (("a.gz", 1e9), ("b.gz", 2e9)):
        monkeypatch.setattr("time.time", lambda moment=moment: moment)
        write_trajectories(tmp_path / name, read)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ": expected rows of 26 columns, found none"),
        (rows((1, 1)) + "1 2 3\n", ", line 2: expected 26 columns, found 3"),
        (
            rows((1, 1)) + rows((1, 2)).replace("0.5  \n", "x\n"),
            ", line 2, column 26: expected a finite number, found 'x'",
        ),
        (rows((1, 1)).replace("0.5  \n", "nan\n"), ", line 1, column 26: expected a finite number, found 'nan'"),
        (rows((1, 1)).replace("0.5  \n", "inf\n"), ", line 1, column 26: expected a finite number, found 'inf'"),
        (rows((2, 1)), ", line 1: expected unit 1 cycle 1, found unit 2 cycle 1"),
        (rows((0, 1)), ", line 1: expected unit 1 cycle 1, found unit 0 cycle 1"),
        (rows((1, 1), (1, 3)), ", line 2: expected unit 1 cycle 2 or unit 2 cycle 1, found unit 1 cycle 3"),
        (rows((1, 1), (3, 1)), ", line 2: expected unit 1 cycle 2 or unit 2 cycle 1, found unit 3 cycle 1"),
        (rows((1, 1), (2, 2)), ", line 2: expected unit 1 cycle 2 or unit 2 cycle 1, found unit 2 cycle 2"),
        (
            rows((1, 1)) + "\n" + rows((1, 1)),
            ", line 3: expected unit 1 cycle 2 or unit 2 cycle 1, found unit 1 cycle 1",
        ),
    ],
)
def test_a_broken_file_is_named_with_line_and_expectation(tmp_path, text, complaint):
    path = tmp_path / "train_FD001.txt"
    path.write_text(text)
    with pytest.raises(CmapssError) as error:
        read_trajectories(path)
    assert str(error.value) == f"{path}{complaint}"


@given(st.text(alphabet="12 .e-_\n\r\tx", max_size=200))
def test_any_text_is_read_or_refused_by_name(folder, text):
    path = folder / "any.txt"
    path.write_text(text)
    with pytest.raises(CmapssError, match=r"any\.txt"):
        read_trajectories(path)


@given(trajectories(), st.integers(0), st.integers(0), st.sampled_from(["0", "-1", "nan", "1e400", "1_0", "x", ""]))
def test_one_wrong_cell_of_unit_or_cycle_is_found_at_its_line(folder, good, row, column, cell):
    path = folder / "good.txt"
    write_trajectories(path, good)
    lines = path.read_text().splitlines()
    line = row % len(lines)
    cells = lines[line].split()
    cells[column % 2] = cell
    lines[line] = " ".join(cells)
    path.write_text("".join(f"{each}\n" for each in lines))
    with pytest.raises(CmapssError, match=f"line {line + 1}[:,]"):
        read_trajectories(path)


@pytest.mark.parametrize("kind", ["telemetry", "rul"])
@pytest.mark.parametrize("suffix", ["txt", "txt.gz"])
def test_a_file_that_was_cut_within_its_last_line_is_refused_wherever_that_was(tmp_path, kind, suffix):
    whole = (rows((1, 1), (1, 2)) if kind == "telemetry" else "112\n98\n").encode()
    read = read_trajectories if kind == "telemetry" else read_rul
    path = tmp_path / f"cut.{suffix}"
    last = whole[:-1].rindex(b"\n") + 1
    for end in range(last + 1, len(whole) + 1):
        path.write_bytes(gzip.compress(whole[:end]) if suffix.endswith("gz") else whole[:end])
        if end == len(whole):
            assert len(read(path)) == 2
        else:
            with pytest.raises(CmapssError, match="line 2: the last line has no end, so that its last number may have"):
                read(path)


def test_a_byte_that_is_not_ascii_is_named_with_its_line(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(rows((1, 1)).encode() + b"1 2 \xff\n")
    with pytest.raises(CmapssError, match="line 2: expected ASCII text, found the byte 0xff"):
        read_trajectories(path)


def test_a_byte_order_mark_is_no_part_of_the_first_number(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"\xef\xbb\xbf" + rows((1, 1), (1, 2)).encode())
    assert read_trajectories(path).cycles.tolist() == [1, 2]


@pytest.mark.parametrize(
    "content", [b"not gzip", gzip.compress(rows((1, 1)).encode())[:-6], b""], ids=["no gzip", "cut off", "empty"]
)
def test_a_broken_gzip_file_is_named(tmp_path, content):
    path = tmp_path / "train.txt.gz"
    path.write_bytes(content)
    with pytest.raises(CmapssError, match=r"train\.txt\.gz"):
        read_trajectories(path)


@pytest.mark.parametrize("line", ["1.5", "-3", "1 2", "", "x"])
def test_rul_is_one_whole_number_a_line(tmp_path, line):
    path = tmp_path / "RUL.txt"
    path.write_text(f"7\n{line}\n9\n")
    with pytest.raises(CmapssError, match=r"RUL\.txt, line 2: expected one whole number of cycles"):
        read_rul(path)


def test_a_file_is_found_as_text_or_compressed(tmp_path):
    (tmp_path / "a.txt.gz").touch()
    assert find(tmp_path, "a.txt").name == "a.txt.gz"
    (tmp_path / "a.txt").touch()
    assert find(tmp_path, "a.txt").name == "a.txt"
    with pytest.raises(CmapssError, match=r"b\.txt\.gz"):
        find(tmp_path, "b.txt")
