import os
import signal
from pathlib import Path

import pytest

from tokser.errors import InputError, MissingInputError, RunError, SettingsError
from tokser.scheduling import load_cluster, workers
from tokser.shipped import shipped_file

CLUSTERS = ("local", "slurm", "sge", "pbs")


@pytest.fixture(scope="module")
def cluster_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("cluster") / "two.yaml"
    file.write_text("kind: local\njobs: 2\noptions: {memory_limit: 0}\n")
    return file


@pytest.fixture(scope="module")
def two(cluster_file):
    with workers(None, cluster_file) as found:
        yield found


# Tasks are written within functions: Dask then sends their code, since workers import no tests.


@pytest.mark.slow
def test_every_item_is_yielded_once_with_its_result(two):
    def square(number):
        return number * number

    found = dict(two.map(square, iter(range(200))))
    assert found == {number: number * number for number in range(200)}
    assert two.num_threads == 2


def test_an_error_of_ours_is_raised_as_it_is_and_not_tried_again(two, tmp_path):
    log = tmp_path / "tries"

    def refuse(number):
        with log.open("a") as file:
            file.write("x")
        raise InputError("a.wav", expected="audio", got="text", remedy="Fetch it.")

    with pytest.raises(InputError, match=r"a\.wav: expected audio, got text\. Fetch it\."):
        list(two.map(refuse, [1]))
    assert log.read_text() == "x"


def test_another_error_is_tried_again_then_told(two, tmp_path, capsys):
    def fail_twice(name):
        file = tmp_path / name
        tries = len(file.read_text()) if file.exists() else 0
        file.write_text("x" * (tries + 1))
        if tries < 2:
            raise OSError("the disk was away")
        return tries

    assert list(two.map(fail_twice, ["a"])) == [("a", 2)]
    assert "tried again after OSError: the disk was away" in capsys.readouterr().err
    with pytest.raises(RunError, match=r"within 1 tries, got OSError: the disk was away"):
        list(two.map(fail_twice, ["b"], retries=0))


def test_a_running_scheduler_is_joined_and_left_running(two, capsys):
    with workers(two._client.scheduler.address, None) as again:
        assert dict(again.map(abs, [-1])) == {-1: 1}
    said = capsys.readouterr().err
    assert "Dask dashboard: http://127.0.0.1:" in said
    assert "Dask: 2 workers, 2 threads" in said
    assert dict(two.map(abs, [-2])) == {-2: 2}


def test_what_a_killed_worker_was_doing_is_done_by_another(two, tmp_path):
    def die_once(number):
        if number == 3:
            try:
                (tmp_path / "died").touch(exist_ok=False)
            except FileExistsError:
                return -number
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    found = dict(two.map(die_once, range(6)))
    assert found == {0: 0, 1: 1, 2: 2, 3: -3, 4: 4, 5: 5}


def test_no_scheduler_at_the_address(monkeypatch):
    monkeypatch.setattr("tokser.scheduling.CONNECT_S", 0.3)
    message = r"expected a Dask scheduler that answers within .* Start one with `dask scheduler`"
    for address in ("tcp://127.0.0.1:9", "node1"):
        with pytest.raises(InputError, match=message), workers(address, None):
            pass


def test_one_place_is_named_not_two_nor_none(cluster_file):
    for both in ((None, None), ("tcp://a:1", cluster_file)):
        with pytest.raises(SettingsError, match="expected one of them"), workers(*both):
            pass


@pytest.mark.parametrize("name", CLUSTERS)
def test_shipped_cluster_files_fit_dask_jobqueue(name):
    import dask_jobqueue
    from dask_jobqueue.core import JobQueueCluster

    settings = load_cluster(shipped_file("pipelines/clusters", f"{name}.yaml"))
    assert settings.kind == name
    if name == "local":
        return
    plain = getattr(dask_jobqueue, f"{name.upper()}Cluster")
    assert issubclass(plain, JobQueueCluster)
    with plain(**settings.options, scheduler_options={"dashboard_address": ":0"}) as cluster:
        script = cluster.job_script()
    assert "08:00:00" in script
    assert "source $HOME/tokser/.venv/bin/activate" in script


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: slurm\nnodes: 3", "unknown key 'nodes'"),
        ("kind: lsf", "kind = 'lsf'"),
        ("- slurm", "expected kind, jobs and options"),
        ("kind: [", "expected YAML in UTF-8"),
    ],
)
def test_a_wrong_cluster_file_is_refused(tmp_path, text, message):
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_cluster(file)
    with pytest.raises(MissingInputError, match="copy one from pipelines/clusters"):
        load_cluster(tmp_path / "no.yaml")


def program(folder, name, text):
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("kind", "programs"), [("slurm", "sbatch and no scancel"), ("sge", "qsub"), ("pbs", "qsub")]
)
def test_a_batch_system_that_is_not_there_is_told_at_once(kind, programs, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "c.yaml"
    file.write_text(f"kind: {kind}\noptions: {{cores: 1, memory: 1GB}}\n")
    with (
        pytest.raises(InputError, match=f"kind {kind}: .* got no {programs}.* on the PATH") as told,
        workers(None, file),
    ):
        pass
    assert told.value.exit_code == 2


def test_a_refused_job_shows_the_batch_system_message(tmp_path, monkeypatch):
    program(tmp_path, "sbatch", "echo 'sbatch: error: invalid partition: gpu' >&2; exit 1")
    program(tmp_path, "scancel", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "c.yaml"
    file.write_text("kind: slurm\njobs: 2\noptions: {cores: 1, memory: 1GB}\n")
    with (
        pytest.raises(RunError, match=r"a job that is queued, got sbatch: error: invalid part"),
        workers(None, file),
    ):
        pass


def test_jobs_that_are_queued_are_waited_for_and_cancelled(tmp_path, monkeypatch, capsys):
    program(tmp_path, "sbatch", "echo 'Submitted batch job 7'")
    program(tmp_path, "scancel", f"echo $@ >> {tmp_path}/cancelled")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "c.yaml"
    file.write_text("kind: slurm\njobs: 2\noptions: {cores: 1, memory: 1GB}\n")
    with workers(None, file) as found:
        assert found.num_threads == 0
    assert "slurm: 2 jobs queued" in capsys.readouterr().err
    assert (tmp_path / "cancelled").read_text() == "7\n7\n"


# What dask-jobqueue could not build all of, distributed fails to close when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("{cores: 8, memory: 1GB, memmory: 1GB}", "memmory"),
        ("{cores: many, memory: 1GB}", "Error"),
        ("{cores: 1}", "memory"),
        ("{memory: x, cores: 1}", "'x'"),
        ("{cores: [], memory: 1GB}", "Error"),
    ],
)
def test_options_that_the_batch_system_does_not_take_are_refused(
    options, told, tmp_path, monkeypatch
):
    for name in ("sbatch", "scancel"):
        program(tmp_path, name, "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    file = tmp_path / "c.yaml"
    file.write_text(f"kind: slurm\noptions: {options}\n")
    message = rf"slurm cluster takes, got .*{told}"
    with pytest.raises(SettingsError, match=message), workers(None, file):
        pass
