from train.methods import config_of
from train.run.rate_curve import curve
from train.step.schedule import learning_rate


def _drawn(steps: int, **given: object) -> list[str]:
    config = config_of(steps=steps, **given)
    return list(curve(lambda step: learning_rate(step, 1e-4, config, steps), steps))


def test_a_rate_is_drawn_over_its_steps() -> None:
    """Each step of a short run has its column: a warm-up, a height, a fall."""
    assert _drawn(10, schedule="linear", warmup=3) == [
        "0.0001 |   *",
        "       |    *",
        "       |  *  *",
        "       |      **",
        "       | *      *",
        "       |         *",
        "     0 |*",
        "  step  1       10",
    ]


def test_a_long_run_has_as_many_columns_as_a_line_has_room_for() -> None:
    """First and last step stand at both ends, each column has one mark, waves come back."""
    lines = _drawn(100_000, schedule="cosine-with-restarts", cycles=2)
    columns = [line[8:].ljust(64) for line in lines[:-1]]

    assert max(map(len, lines)) == 72
    assert lines[-1] == "  step  1" + " " * 57 + "100000"
    assert [sum(line[n] == "*" for line in columns) for n in range(64)] == [1] * 64
    assert columns[0][0] == columns[0][32] == columns[-1][31] == columns[-1][63] == "*"


def test_a_rate_that_stays_is_not_drawn() -> None:
    """A line would say nothing that its number does not say."""
    assert _drawn(10) == []
    assert _drawn(1, schedule="cosine") == []
