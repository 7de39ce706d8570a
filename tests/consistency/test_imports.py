"""What must not be imported where: the promises behind a fast command line."""

import subprocess
import sys
from graphlib import TopologicalSorter

import grimp
import pytest

HEAVY = ("torch", "transformers", "zarr", "pandas", "lightning", "sklearn", "matplotlib")


def loaded_after(statement: str) -> set[str]:
    script = (
        f"import sys; {statement}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("statement", ["import tokser", "import tokser.cli"])
def test_the_command_line_loads_nothing_heavy(statement):
    assert not loaded_after(statement) & set(HEAVY)


def test_opening_a_store_loads_only_what_it_needs(stores):
    store = stores.complete().path
    found = loaded_after(f"import tokser; tokser.open_store({str(store)!r}).features")
    assert not found & {*HEAVY, "h5py", "requests", "obstore", "scipy"}


def test_ids_and_places_are_read_without_zarr_python(stores):
    store = stores.complete().path
    found = loaded_after(
        f"import tokser; s = tokser.open_store({str(store)!r}); s.utterances; s[s.features[0]].ids"
    )
    assert not found & {"zarr", "fsspec", "torch", "scipy"}


def test_experiments_load_no_encoder():
    # Not pretrain.module: lightning brings torchmetrics, which imports transformers where it is.
    rooms = "tokser.experiments.search, tokser.pretrain.attention, tokser.functionals.moments"
    assert not loaded_after(f"import {rooms}") & {"transformers", "torchaudio", "soundfile"}


def test_experiments_load_torch_only_for_heads_that_use_it():
    assert "torch" not in loaded_after("import tokser.stages.classify")


def test_experiments_define_their_own_settings_alone():
    code = "import sys, tokser.stages.classify, tokser.report.summary; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tokser.config.experiments" in found.stdout.split()
    assert not {"tokser.config.tune", "tokser.config.pretrain"} & set(found.stdout.split())


def test_experiments_load_scikit_learn_only_for_heads_that_use_it():
    found = loaded_after("import tokser.stages.classify, tokser.experiments.heads.logreg")
    assert not found & {"sklearn", "torch", "zarr", "dask", "safetensors", "yaml"}


def test_a_model_of_logistic_regression_is_read_without_scikit_learn():
    code = "from tokser.experiments.heads.registry import TRAINED_HEADS; TRAINED_HEADS['logreg']"
    found = loaded_after(f"import tokser.experiments.models.folder; {code}")
    assert not found & {"sklearn", "torch", "yaml"}


def test_predictions_load_no_plots_and_no_scikit_learn():
    heads = "tokser.experiments.heads.logreg"
    found = loaded_after(f"import tokser.stages.predict, {heads}")
    assert not found & {"matplotlib", "sklearn", "lightning", "dask"}


def test_sharing_loads_nothing_that_computes():
    found = loaded_after("import tokser.stages.push, tokser.stages.pull")
    assert not found & {"torch", "safetensors", "scipy", "sklearn", "huggingface_hub", "obstore"}


def test_extraction_loads_no_dask_by_itself():
    assert not loaded_after("import tokser.stages.extract") & {"dask", "distributed"}


def test_no_module_imports_itself_by_way_of_others():
    graph = grimp.build_graph("tokser", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the cycle


def imported_by(command: str) -> tuple[int, set[str]]:
    code = (
        "import atexit, sys; from tokser.cli import main; "
        "atexit.register(lambda: print(*sys.modules)); main(sys.argv[1:])"
    )
    words = [sys.executable, "-c", code, *command.split()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, set(done.stdout.splitlines()[-1].split())


def test_a_command_loads_its_own_settings_alone():
    code, found = imported_by("pool --help")
    assert code == 0
    assert "tokser.config.pool" in found
    assert not found & {"tokser.config.tune", "tokser.config.grid", "yaml"}


@pytest.mark.parametrize("command", ["classify --dataset x --protocol y", "regress --dataset x"])
def test_a_wrong_call_is_refused_before_a_stage_is_loaded(command: str):
    code, found = imported_by(f"{command} --seeds 0")
    assert code == 2
    assert not {name.partition(".")[0] for name in found} & set(HEAVY)


def test_help_loads_no_command_and_no_settings():
    found = loaded_after("from tokser.cli import main; main(['--help'], standalone_mode=False)")
    assert not found & {"pydantic", "rich", "yaml"}
