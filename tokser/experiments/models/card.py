"""The model card: `README.md` of a model folder, as Hugging Face shows it."""

from pathlib import Path
from typing import Any

import yaml

from tokser.experiments.models.card_calibration import calibration_sections
from tokser.experiments.models.card_scores import score_line, score_sections
from tokser.experiments.models.model import Estimate, Model
from tokser.markdown import markdown_table, plain
from tokser.provenance import versions

__all__ = ["CARD", "model_card", "score_line"]

CARD = "README.md"
_METRICS = {
    "uar": ("recall", "UAR (macro recall)"),
    "accuracy": ("accuracy", "accuracy (WA)"),
    "macro_f1": ("f1", "macro-F1"),
    "ccc": ("ccc", "CCC (concordance)"),
    "pearson": ("pearsonr", "Pearson's correlation"),
    "rmse": ("rmse", "root mean square error"),
}
"""Type and name of each score, as a model index has them."""
_OF_CLASSES = ("uar", "accuracy", "macro_f1")
_OF_NUMBERS = ("ccc", "pearson", "rmse")


def model_card(model: Model, name: str) -> str:
    """Return the card of a model.

    Args:
        model: The model.
        name: Of its folder.
    """
    sections = [
        _front_matter(model, name),
        f"# {plain(name)}",
        _summary(model),
        "## Intended use",
        _intended_use(model),
        "## How to use it",
        _usage(model, name),
        *score_sections(model),
        *calibration_sections(model),
        "## How it was made",
        _making(model),
        "## Limits",
        _limits(model),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(model: Model, name: str) -> str:
    reads_text = model.recipe.needs_transcripts and not model.recipe.needs_audio
    content: dict[str, Any] = {
        "library_name": "tokser",
        "license": "other",
        "pipeline_tag": "text-classification" if reads_text else "audio-classification",
        "tags": ["speech-emotion-recognition", "tokser"],
        "datasets": [model.dataset],
        "metrics": [_METRICS[one][0] for one in _scores_of(model)],
    }
    if model.recipe.languages:
        content["language"] = list(model.recipe.languages)
    hubs = [group.source for group in model.recipe.groups if _is_hub_id(group.source)]
    if hubs:
        content["base_model"] = list(dict.fromkeys(hubs))
    if model.estimate is not None:
        content["model-index"] = [{"name": name, "results": [_index(model, model.estimate)]}]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---"


def _index(model: Model, estimate: Estimate) -> dict[str, Any]:
    return {
        "task": {"type": "audio-classification", "name": f"speech emotion, {model.target}"},
        "dataset": {
            "type": model.dataset,
            "name": f"{model.dataset}, protocol {estimate.protocol}",
        },
        "metrics": [
            {"type": _METRICS[one][0], "name": _METRICS[one][1], "value": estimate.scores[one]}
            for one in _scores_of(model)
            if estimate.scores.get(one) is not None
        ],
    }


def _scores_of(model: Model) -> tuple[str, ...]:
    return _OF_CLASSES if model.task == "classification" else _OF_NUMBERS


def _is_hub_id(source: str) -> bool:
    """Tell whether a model came from the hub (`openai/whisper-base`), and not from a folder."""
    return source.count("/") == 1 and not source.startswith((".", "/", "~"))


def _summary(model: Model) -> str:
    what = (
        f"one of {len(model.classes)} emotions ({', '.join(map(plain, model.classes))})"
        if model.classes
        else f"{plain(model.target)}, as the annotators of the corpus rated it"
    )
    heads = ", ".join(dict.fromkeys(member.head for member in model.members))
    lines = [
        f"It predicts {what} of an utterance. The head ({heads}) reads `{plain(model.features)}`: "
        f"mean and standard deviation, or the functionals that are named, of what frozen encoders "
        f"emit. It was trained on {plain(model.dataset)}.",
        f"**Expected on other speakers of this corpus: {score_line(model)}.**",
    ]
    if model.estimate is not None and model.estimate.leaks:
        lines[1] = f"**Score, which is no estimate for new speakers: {score_line(model)}.**"
    fold = model.provenance.get("fold")
    if fold is not None:
        lines[1] = (
            f"It is the model of fold {plain(str(fold))} of the protocol "
            f"{plain(str(model.provenance.get('protocol')))}: it has not seen that fold's test "
            "part, and is there to look at the fold. `tokser fit` makes a model for use."
        )
    return "\n\n".join(lines)


def _intended_use(model: Model) -> str:
    languages = ", ".join(map(plain, model.recipe.languages)) or "unknown"
    return (
        "Research on emotion in speech, on recordings like those it was trained on (language: "
        f"{languages}; corpus: {plain(model.dataset)}). It was not made to judge persons: what a "
        "voice sounds like is not what somebody feels. Decisions about people (hiring, teaching, "
        "policing, health) are no use of it; in the European Union some of these are forbidden."
    )


def _usage(model: Model, name: str) -> str:
    needs = []
    if model.recipe.needs_transcripts:
        needs.append("It reads transcripts, too: each recording needs one.")
    if model.standardise == "speaker":
        needs.append("It standardises by speaker: recordings need speakers, several of each.")
    encoders = [g for g in model.recipe.groups if g.is_encoder]
    # A local folder's path means nothing to who gets this model, and names its maker's machine.
    sources = [g.name if Path(g.source).is_absolute() else g.source or g.name for g in encoders]
    named = ", ".join(f"`{plain(source)}`" for source in sources)
    return "\n\n".join(
        [
            f"```bash\ntokser predict {_shell(name)} recording.wav\n```",
            "```python\nimport tokser\n\n"
            f"model = tokser.load_model({name!r})\n"
            'model.predict("recording.wav")\n```',
            f"The encoders are no part of this folder: {named}. Their weights' sha256 must be "
            "those of the table below, or predicting is refused. "
            f"{' '.join([*_kept(model), *needs])}".rstrip(),
        ]
    )


def _kept(model: Model) -> list[str]:
    """Say which tuned blocks lie in the folder."""
    return [
        f"Above `{plain(str(group.provenance['source_feature']))}` it runs blocks that were tuned "
        f"on {plain(str(group.provenance['tuned_on']['dataset']))}; they lie in `tuned/{name}`."
        for name in model.recipe.tuned
        for group in [model.recipe.group(name)]
    ]


def _making(model: Model) -> str:
    parts = [_encoders(model)]
    fitted = model.provenance.get("fitted_on", {})
    selection = model.provenance.get("selection", {})
    if fitted:
        speakers = f" of {fitted['num_speakers']} speakers" if fitted.get("num_speakers") else ""
        counts = ", ".join(f"{plain(k)} {n}" for k, n in fitted.get("labels", {}).items())
        parts.append(
            f"Fitted on {fitted['num_utterances']} utterances{speakers}"
            f"{f' ({counts})' if counts else ''}, standardised "
            f"{'by speaker' if model.standardise == 'speaker' else 'by all of them'}."
        )
    if selection:
        rows = [
            (f"`{features}`", _params(one["selected"]), f"{one['dev_score']:.3f}")
            for features, one in selection.items()
        ]
        parts.append(
            "Selected by the dev parts of the folds, never by a test part (mean over folds; of a "
            "network, the median of its best epochs):"
        )
        parts.append(markdown_table(("features", "selected", "dev score, cross-fitted"), rows))
    if model.how == "weighted":
        weights = zip(model.members, model.weights, strict=True)
        listed = ", ".join(f"`{member.features}` {weight:.3f}" for member, weight in weights)
        parts.append(f"Weights of the average: {listed}.")
    elif len(model.members) == 1 and len(selection) > 1:
        parts.append(f"Dev selected `{model.members[0].features}`.")
    made_by = ", ".join(f"{k} {v}" for k, v in versions().items() if v != "not installed")
    parts.append(f"Store, splits and settings with their digests: `model.json`. Made by {made_by}.")
    return "\n\n".join(parts)


def _encoders(model: Model) -> str:
    rows = []
    for group in model.recipe.groups:
        dtypes = sorted({use.dtype for use in group.features.values()} - {""})
        what = [str(group.provenance.get(key, "")) for key in ("precision", "context")]
        settings = ", ".join(
            [*(one for one in what if one), *(f"stored as {one}" for one in dtypes)]
        )
        layers = ", ".join(group.features)
        rows.append((group.name, group.kind, layers, settings, f"`{group.weights_sha256}`"))
    header = ("encoder", "reads", "features", "settings", "sha256 of the weights")
    return markdown_table(header, rows)


def _limits(model: Model) -> str:
    estimate = model.estimate
    found = [
        "It knows this corpus: its speakers, its language, its microphone, its way of acting or "
        "labelling. On other recordings expect less than the score above; measure it there.",
        "Probabilities were calibrated on speakers of this corpus; on other recordings they, and "
        "prediction sets, can be as wrong as the score."
        if model.calibration is not None
        else "Probabilities are those of the head; nothing has calibrated them.",
    ]
    if model.classes:
        found.append(
            f"It always answers with one of {len(model.classes)} classes, whatever is in the "
            "recording: noise, silence and other emotions too."
        )
    if estimate is not None and estimate.leaks:
        found.insert(
            0,
            f"**The score is too good: {plain(estimate.leaks)}.** Under the protocol "
            f"{plain(estimate.protocol)} test shares these with training.",
        )
    shared = str(estimate.scores.get("leaks") or "") if estimate is not None else ""
    if "sentences" in shared:
        found.append(
            "Test utterances have sentences that were trained on with other speakers, as the "
            "corpus has few sentences."
        )
    fitted = model.provenance.get("fitted_on", {})
    if fitted.get("num_speakers") and fitted["num_speakers"] < 30:
        found.append(f"It was trained on {fitted['num_speakers']} speakers, which is few.")
    found.append("The licence of the corpus and of the encoders holds for this model, too.")
    return "\n".join(f"- {one}" for one in found)


def _params(params: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in params.items())


def _shell(name: str) -> str:
    return (
        name if name.replace("-", "").replace("_", "").replace(".", "").isalnum() else f"'{name}'"
    )
