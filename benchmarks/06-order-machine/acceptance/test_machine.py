import pytest
from machine import Machine, MachineError, NotAllowed, Transition, UnknownEvent

DOOR = [
    Transition("open", "closed", "opened"),
    Transition("close", "opened", "closed"),
    Transition("lock", "closed", "locked", guard=lambda given: given.get("key") == 7),
    Transition("unlock", "locked", "closed"),
    Transition("break", "*", "broken"),
    Transition("break", "locked", "closed", guard=lambda given: given["strong"]),
]


@pytest.fixture
def door():
    return Machine("closed", DOOR, final=["broken"])


def test_transitions(door):
    assert (door.state, door.is_final, door.history) == ("closed", False, [])
    assert door.fire("open") == "opened"
    assert door.fire("close") == door.state == "closed"
    assert door.history == [("open", "closed", "opened"), ("close", "opened", "closed")]
    door.history.clear()
    assert len(door.history) == 2


def test_guards_see_the_payload(door):
    for payload in ({}, {"key": 8}):
        with pytest.raises(NotAllowed):
            door.fire("lock", **payload)
    assert door.history == []
    assert door.fire("lock", key=7) == "locked"


def test_what_is_not_possible(door):
    with pytest.raises(NotAllowed):
        door.fire("close")
    with pytest.raises(UnknownEvent):
        door.fire("paint")
    for kind in (NotAllowed, UnknownEvent):
        assert issubclass(kind, MachineError)
    assert not issubclass(NotAllowed, UnknownEvent)
    assert not issubclass(UnknownEvent, NotAllowed)
    assert door.state == "closed"


def test_a_star_is_every_state_that_is_not_final(door):
    assert door.fire("break") == "broken"
    assert door.is_final
    assert door.events() == []
    with pytest.raises(NotAllowed):
        door.fire("break")


def test_the_own_transition_goes_before_a_star(door):
    door.fire("lock", key=7)
    with pytest.raises(NotAllowed):
        door.fire("break", strong=False)
    assert door.fire("break", strong=True) == "closed"


def test_events_are_told_in_order(door):
    assert door.events() == ["break", "lock", "open"]
    door.fire("lock", key=7)
    assert door.events() == ["break", "unlock"]


def test_actions_run_before_the_change():
    seen = []
    machine = Machine("a", [Transition("go", "a", "b", action=lambda given: seen.append((machine.state, given)))])
    machine.fire("go", x=1)
    assert seen == [("a", {"x": 1})]


def test_a_failed_action_changes_nothing():
    called = []
    machine = Machine("a", [Transition("go", "a", "b", action=lambda given: 1 / given["x"])])
    machine.on_enter("b", lambda *step: called.append(step))
    with pytest.raises(ZeroDivisionError):
        machine.fire("go", x=0)
    assert (machine.state, machine.history, called) == ("a", [], [])
    assert machine.fire("go", x=1) == "b"


@pytest.mark.parametrize(
    "initial, transitions, final",
    [
        ("a", [("go", "a", "b"), ("back", "b", "a")], ["b"]),
        ("a", [("go", "a", "b"), ("go", "a", "a")], []),
        ("a", [("go", "*", "a"), ("go", "*", "a")], []),
        ("a", [("go", "a", "*")], []),
        ("a", [("go", "a", "b")], ["*"]),
        ("a", [("go", "b", "c")], []),
        ("a", [("go", "a", "b")], ["c"]),
        ("a", [("go", "a", "b"), ("on", "c", "b")], []),
        ("a", [("go", "a", "b"), ("on", "*", "d"), ("x", "c", "d")], ["d"]),
        ("a", [("on", "*", "b"), ("x", "a", "b")], ["a", "b"]),
    ],
)
def test_machines_that_make_no_sense(initial, transitions, final):
    with pytest.raises(ValueError):
        Machine(initial, [Transition(*each) for each in transitions], final)


def test_machines_that_make_sense():
    assert Machine("a", []).events() == []
    assert Machine("a", [], final=["a"]).is_final
    assert Machine("a", [Transition("on", "*", "b"), Transition("go", "b", "c")], final=["c"]).events() == ["on"]
    assert Machine(
        "a", [Transition("go", "a", "b"), Transition("go", "b", "a"), Transition("go", "*", "a")]
    ).events() == ["go"]


def test_callbacks_come_after_the_change_in_order(door):
    seen = []
    for name in "12":
        door.on_enter(
            "opened", lambda *step, name=name: seen.append((f"enter{name}", door.state, len(door.history), *step))
        )
        door.on_leave(
            "closed", lambda *step, name=name: seen.append((f"leave{name}", door.state, len(door.history), *step))
        )
    door.fire("open")
    step = ("opened", 1, "open", "closed", "opened")
    assert seen == [("leave1", *step), ("leave2", *step), ("enter1", *step), ("enter2", *step)]
    door.fire("close")
    assert len(seen) == 4


def test_callbacks_of_a_state_to_itself():
    seen = []
    machine = Machine("a", [Transition("again", "a", "a")])
    machine.on_enter("a", lambda *step: seen.append("enter"))
    machine.on_leave("a", lambda *step: seen.append("leave"))
    assert machine.fire("again") == "a"
    assert seen == ["leave", "enter"]


def chain(seen):
    machine = Machine("a", [Transition("go", "a", "b"), Transition("go", "b", "c"), Transition("go", "c", "d")])
    machine.on_enter("b", lambda *step: seen.append(("b", machine.fire("go"))))
    machine.on_enter("b", lambda *step: seen.append(("b2", machine.state)))
    machine.on_enter("c", lambda *step: seen.append(("c", machine.state)))
    return machine


def test_a_callback_may_fire():
    seen = []
    machine = chain(seen)
    assert machine.fire("go") == "c"
    assert seen == [("b", "b"), ("b2", "b"), ("c", "c")]
    assert [step[1:] for step in machine.history] == [("a", "b"), ("b", "c")]
    assert machine.fire("go") == "d"


def test_a_waiting_transition_that_fails():
    machine = Machine("a", [Transition("go", "a", "b"), Transition("on", "b", "c"), Transition("x", "c", "a")])
    for event in ("x", "on"):
        machine.on_enter("b", lambda *step, event=event: machine.fire(event))
    with pytest.raises(NotAllowed):
        machine.fire("go")
    assert machine.state == "b"
    assert machine.fire("on") == "c"
    assert len(machine.history) == 2


def test_a_callback_that_raises():
    seen = []
    machine = chain(seen)
    machine.on_leave("a", lambda *step: machine.fire("go"))
    machine.on_leave("a", lambda *step: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        machine.fire("go")
    assert (machine.state, len(machine.history), seen) == ("b", 1, [])
    assert machine.fire("go") == "c"
    assert seen == [("c", "c")]
