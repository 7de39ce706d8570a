from tokser.config import ReportSettings
from tokser.pipeline import load_pipeline
from tokser.report.inputs import read_inputs
from tokser.report.rerun import rerun_pipeline


def test_the_pipeline_can_be_run_and_has_the_same_settings(folders, tmp_path):
    inputs = read_inputs([folders.results(), folders.regression()], [folders.run()])
    folder, regression = (one.folder for one in inputs.experiments)
    (run,) = (one.folder for one in inputs.runs)
    settings = ReportSettings(results=(folder, regression), runs=(run,), title="Töne")
    file = tmp_path / "again.yaml"
    file.write_text(rerun_pipeline(settings, inputs), encoding="utf-8")
    pipeline = load_pipeline(file)
    assert pipeline.classify[0].out == folder
    assert pipeline.classify[0].features == ("whisper-base/layer-2", "whisper-base/layer-10")
    assert pipeline.pretrain[0].text == "bert-base-uncased/contextual"
    assert pipeline.regress[0].out == regression
    assert pipeline.regress[0].targets == ("valence", "arousal")
    assert pipeline.report == settings
