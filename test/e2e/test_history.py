"""The checker of the crash tests: what it must let pass and what it must not."""

from history import NEVER, History, Operation


def history(*operations):
    made = History()
    made.keys["k"] = [Operation(None, -NEVER, -NEVER, True), *operations]
    return made


def test_the_last_acknowledged_write_is_the_only_legal_value():
    made = history(Operation("v1", 1, 2, True), Operation("v2", 3, 4, True))
    assert made.legal("k", "v2")
    assert not made.legal("k", "v1")
    assert not made.legal("k", None)


def test_an_acknowledged_delete_must_not_come_back():
    made = history(Operation("v1", 1, 2, True), Operation(None, 3, 4, True))
    assert made.legal("k", None)
    assert not made.legal("k", "v1")


def test_of_concurrent_writes_either_may_be_shown():
    made = history(Operation("v1", 1, 5, True), Operation("v2", 2, 4, True))
    assert made.legal("k", "v1")
    assert made.legal("k", "v2")


def test_an_open_write_may_be_shown_or_not_even_over_later_ones():
    made = history(Operation("v1", 1), Operation("v2", 3, 4, True))
    assert made.legal("k", "v1")
    assert made.legal("k", "v2")
    assert not made.legal("k", None)


def test_a_value_nobody_wrote_is_never_legal():
    assert not history(Operation("v1", 1, 2, True)).legal("k", "v9")


def test_a_read_that_began_before_the_acknowledgement_may_show_the_old_value():
    made = history(Operation("v1", 1, 2, True), Operation("v2", 3, 6, True))
    assert made.legal("k", "v1", read_start=5, read_end=7)
    assert not made.legal("k", "v1", read_start=6.5, read_end=7)
    assert not made.legal("k", "v2", read_start=2.1, read_end=2.9)


def test_after_settling_only_what_was_found_counts():
    made = history(Operation("v1", 1), Operation("v2", 3, 4, True))
    made.settle("k", "v2")
    assert made.legal("k", "v2")
    assert not made.legal("k", "v1")
