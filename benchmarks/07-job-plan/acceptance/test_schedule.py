import pytest
from schedule import Job, PlanError, Run, chart, plan, summary


def drawn(jobs, workers):
    return chart(plan(jobs, workers), workers).splitlines()


def test_one_job():
    assert plan([Job("a", 3)], 1) == [Run("a", 1, 0, 0, 3, "done")]


def test_runs_have_their_fields_in_order():
    run = Run("a", 2, 1, 5, 7, "failed")
    assert (run.job, run.attempt, run.worker, run.begin, run.end, run.outcome) == ("a", 2, 1, 5, 7, "failed")


def test_nothing_to_do():
    assert plan([], 2) == []
    assert summary([], [], 2) == {"seconds": 0, "states": {}, "busy": 0.0, "longest": 0}
    assert chart([], 2) == "0: \n1: \n"


def test_jobs_wait_for_others():
    jobs = [Job("c", 1, after=["a", "b"]), Job("a", 2), Job("b", 3), Job("d", 1, ["a"])]
    assert drawn(jobs, 2) == ["0: BBBC", "1: AAD."]


def test_the_longer_critical_path_goes_first():
    jobs = [Job("x", 3), Job("a", 1), Job("b", 4, ["a"])]
    assert drawn(jobs, 1) == ["0: ABBBBXXX"]
    jobs = [Job("x", 5), Job("y", 2), Job("a", 1), Job("b", 1, ["a"]), Job("c", 4, ["a", "b"]), Job("z", 6)]
    assert [run.job for run in plan(jobs, 1)] == ["a", "z", "x", "b", "c", "y"]


def test_priorities_go_before_paths():
    jobs = [Job("x", 9), Job("y", 1, priority=1), Job("z", 1, priority=-1), Job("w", 2, priority=1)]
    assert [run.job for run in plan(jobs, 1)] == ["w", "y", "x", "z"]


def test_equals_keep_their_order():
    assert drawn([Job(name, 2) for name in "dbca"], 3) == ["0: DDAA", "1: BB..", "2: CC.."]


def test_the_worker_of_the_lowest_number_goes_first():
    jobs = [Job("a", 3), Job("b", 1), Job("c", 1), Job("d", 1, start=2), Job("e", 1, start=2)]
    assert drawn(jobs, 3) == ["0: AAA", "1: B.D", "2: C.E"]


def test_a_job_waits_for_its_start():
    jobs = [Job("a", 1, start=3), Job("b", 1)]
    assert drawn(jobs, 1) == ["0: B..A"]
    assert drawn([Job("a", 2), Job("b", 1, priority=5, start=1)], 1) == ["0: AAB"]


def test_failed_tries_are_repeated():
    jobs = [Job("a", 2, retries=2, fails=2), Job("b", 1, ["a"])]
    assert plan(jobs, 1) == [
        Run("a", 1, 0, 0, 2, "failed"), Run("a", 2, 0, 2, 4, "failed"), Run("a", 3, 0, 4, 6, "done"), Run("b", 1, 0, 6, 7, "done"),
    ]  # fmt: skip
    assert drawn(jobs, 1) == ["0: aaaaAAB"]


def test_a_repeated_try_competes_with_others():
    jobs = [Job("a", 2, retries=1, fails=1), Job("b", 1, priority=1, start=2)]
    assert drawn(jobs, 1) == ["0: aaBAA"]
    assert drawn(jobs, 2) == ["0: aaB.", "1: ..AA"]


def test_what_depends_on_a_failed_job_is_skipped():
    jobs = [Job("a", 1, retries=1, fails=2), Job("b", 1, ["a"]), Job("c", 1, ["b", "d"]), Job("d", 1)]
    runs = plan(jobs, 1)
    assert [(run.job, run.outcome) for run in runs] == [("a", "failed"), ("a", "failed"), ("d", "done")]
    assert summary(jobs, runs, 1) == {
        "seconds": 3, "states": {"a": "failed", "b": "skipped", "c": "skipped", "d": "done"}, "busy": 1.0, "longest": 3,
    }  # fmt: skip


def test_no_retries_when_not_told():
    assert [run.outcome for run in plan([Job("a", 1, fails=1)], 1)] == ["failed"]


def test_the_summary():
    jobs = [Job("b", 2), Job("a", 4), Job("c", 1, ["a"])]
    told = summary(jobs, plan(jobs, 2), 2)
    assert told == {"seconds": 5, "states": {"b": "done", "a": "done", "c": "done"}, "busy": 0.7, "longest": 5}
    assert list(told["states"]) == ["b", "a", "c"]
    late = [Job("a", 1, start=2)]
    assert summary(late, plan(late, 1), 1)["busy"] == 0.333


def test_charts_end_each_line():
    assert chart([Run("Xy", 1, 1, 1, 3, "failed"), Run("q", 1, 0, 0, 1, "done")], 2) == "0: Q..\n1: .xx\n"


@pytest.mark.parametrize(
    "jobs, cycle",
    [
        ([Job("a", 1, ["a"])], ["a"]),
        ([Job("x", 1), Job("b", 1, ["c"]), Job("a", 1, ["b", "x"]), Job("c", 1, ["a"])], ["b", "c", "a"]),
        ([Job("a", 1, ["b"]), Job("b", 1, ["a"]), Job("c", 1, ["a"])], ["a", "b"]),
    ],
)
def test_cycles(jobs, cycle):
    with pytest.raises(PlanError) as caught:
        plan(jobs, 1)
    assert caught.value.cycle == cycle


@pytest.mark.parametrize("jobs", [[Job("a", 1), Job("a", 2)], [Job("a", 1, ["b"])], [Job("a", 1, ["b", "a"])]])
def test_names_must_be_right(jobs):
    with pytest.raises(PlanError) as caught:
        plan(jobs, 1)
    assert isinstance(caught.value, ValueError)
    assert caught.value.cycle in ([], ["a"])
    if len(jobs[0].after) < 2:
        assert caught.value.cycle == []


@pytest.mark.parametrize("fields", [{"seconds": 0}, {"start": -1}, {"retries": -1}, {"fails": -1}])
def test_jobs_that_make_no_sense(fields):
    with pytest.raises(ValueError):
        Job(**{"name": "a", "seconds": 1, **fields})


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_are_needed(workers):
    with pytest.raises(ValueError):
        plan([Job("a", 1)], workers)
